using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The room that sends.</summary>
internal static class ForwardingServiceCollectionExtensions
{
    /// <summary>Adds YARP's forwarder and what the bridge puts around it.</summary>
    public static IServiceCollection AddForwarding(this IServiceCollection services)
    {
        services.AddBridgeOptions<ForwardingOptions, ForwardingOptionsValidator>(ForwardingOptions.Section);
        services.AddHttpForwarder();
        services.AddSingleton(provider => InstanceClient.Create(provider.GetRequiredService<IOptions<ForwardingOptions>>()));
        services.TryAddSingleton(Random.Shared);
        services.AddSingleton<PlacementOutcomes>();
        services.AddSingleton<AnswerTransformer>();
        services.AddSingleton<RetryBudget>();
        services.AddSingleton<ForwardTimeouts>();
        services.AddSingleton<AttemptSender>();
        services.AddSingleton<ForwardingStage>();
        return services;
    }
}
