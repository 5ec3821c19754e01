using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Forwarding.Parallelism;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Registers the services of forwarding.</summary>
internal static class ForwardingServiceCollectionExtensions
{
    public static IServiceCollection AddForwarding(this IServiceCollection services)
    {
        services.AddBridgeOptions<ForwardingOptions, ForwardingOptionsValidator>(ForwardingOptions.Section);
        services.AddHttpForwarder();
        services.AddSingleton(provider => InstanceClient.Create(
            provider.GetRequiredService<IOptions<ForwardingOptions>>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Tls.InstanceHandler>>()));
        services.AddSingleton<FreshConnectionClient>();
        services.AddSingleton<RepeatedFailures>();
        services.AddKeyedSingleton(InstanceProbe.ClientKey, (provider, _) => InstanceClient.CreateForProbes(
            provider.GetRequiredService<IOptions<ForwardingOptions>>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<FewerLayers>();
        services.TryAddRandom();
        services.AddSingleton<PlacementOutcomes>();
        services.AddBridgeOptions<ParallelismOptions, ParallelismOptionsValidator>(ParallelismOptions.Section);
        services.AddSingleton<ParallelismLearner>();
        services.AddSingleton<ResponseTransformer>();
        services.AddSingleton<RetryBudget>();
        services.AddSingleton<ForwardTimeouts>();
        services.AddSingleton<AttemptSender>();
        services.AddSingleton<ModelFallback>();
        services.AddBridgeOptions<HedgingOptions, HedgingOptionsValidator>(HedgingOptions.Section);
        services.AddSingleton<FirstTokenTimes>();
        services.AddSingleton<HedgeBudget>();
        services.AddSingleton<Hedger>();
        services.AddBridgeOptions<ResumptionOptions, ResumptionOptionsValidator>(ResumptionOptions.Section);
        // Queries are rare and have a body: a stale connection would lose them.
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<InstanceQueries>(provider, (HttpMessageInvoker)provider.GetRequiredService<FreshConnectionClient>()));
        services.AddSingleton<TemplateProbe>();
        services.AddSingleton<HiddenTextProbe>();
        services.AddSingleton<AnswerTokenCount>();
        services.AddSingleton<ResumptionPlanner>();
        services.AddSingleton<ResumableStreams>();
        services.AddSingleton<StreamResumer>();
        services.AddBridgeOptions<LivenessOptions, LivenessOptionsValidator>(LivenessOptions.Section);
        services.AddSingleton<LivenessChecks>();
        services.AddSingleton<LoadTimes>();
        services.AddSingleton<DrainMoves>();
        services.AddSingleton<StallDetector>();
        services.AddHostedService(provider => provider.GetRequiredService<StallDetector>());
        services.AddSingleton<TokenCountStage>();
        services.AddSingleton<ForwardingStage>();
        services.AddSingleton<UnloadStage>();
        return services;
    }
}
