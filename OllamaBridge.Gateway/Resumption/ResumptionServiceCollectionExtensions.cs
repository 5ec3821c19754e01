using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Resumption;

internal static class ResumptionServiceCollectionExtensions
{
    public static IServiceCollection AddResumption(this IServiceCollection services)
    {
        services.AddBridgeOptions<ResumptionOptions, ResumptionOptionsValidator>(ResumptionOptions.Section);
        // Queries are rare and have a body: a stale connection would lose them.
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<InstanceQueries>(provider, provider.GetRequiredKeyedService<HttpMessageInvoker>(InstanceClients.Fresh)));
        services.AddSingleton<TemplateProbe>();
        services.AddSingleton<HiddenTextProbe>();
        services.AddSingleton<AnswerTokenCount>();
        services.AddSingleton<ResumptionPlanner>();
        services.AddSingleton<ResumableStreams>();
        services.AddSingleton<ResumptionMetrics>();
        services.AddBridgeOptions<LivenessOptions, LivenessOptionsValidator>(LivenessOptions.Section);
        services.AddSingleton<LivenessChecks>();
        services.AddSingleton<LoadTimes>();
        services.AddSingleton<DrainMoves>();
        services.AddSingleton<StallDetector>();
        services.AddHostedService(provider => provider.GetRequiredService<StallDetector>());
        return services;
    }
}
