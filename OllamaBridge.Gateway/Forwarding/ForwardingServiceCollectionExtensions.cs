using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Forwarding.Parallelism;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Forwarding;

internal static class ForwardingServiceCollectionExtensions
{
    public static IServiceCollection AddForwarding(this IServiceCollection services)
    {
        services.AddBridgeOptions<ForwardingOptions, ForwardingOptionsValidator>(ForwardingOptions.Section);
        services.AddHttpForwarder();
        services.AddSingleton(provider => InstanceClient.Create(
            provider.GetRequiredService<IOptions<ForwardingOptions>>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Tls.InstanceHandler>>()));
        services.AddSingleton<FreshConnectionClient>();
        services.AddKeyedSingleton<HttpMessageInvoker>(InstanceClients.Fresh, (provider, _) => provider.GetRequiredService<FreshConnectionClient>());
        services.AddSingleton<RepeatedFailures>();
        services.AddKeyedSingleton(InstanceProbe.ClientKey, (provider, _) => InstanceClient.CreateForProbes(
            provider.GetRequiredService<IOptions<ForwardingOptions>>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<FewerLayers>();
        services.TryAddRandom();
        services.AddSingleton<ForwardingMetrics>();
        services.AddSingleton<PlacementOutcomes>();
        services.AddBridgeOptions<ParallelismOptions, ParallelismOptionsValidator>(ParallelismOptions.Section);
        services.AddSingleton<ParallelismLearner>();
        services.AddSingleton<FirstTokenRecorder>();
        services.AddSingleton<ResponseOpener>();
        services.AddSingleton<ResponseTransformer>();
        services.AddSingleton<RetryBudget>();
        services.AddSingleton<ForwardTimeouts>();
        services.AddSingleton<AttemptTransport>();
        services.AddSingleton<AttemptRecorder>();
        services.AddSingleton<AttemptSender>();
        services.AddSingleton<LeaseAcquirer>();
        services.AddSingleton<ModelFallback>();
        services.AddBridgeOptions<HedgingOptions, HedgingOptionsValidator>(HedgingOptions.Section);
        services.AddSingleton<FirstTokenTimes>();
        services.AddSingleton<HedgeBudget>();
        services.AddSingleton<Hedger>();
        services.AddSingleton<InterruptionRecorder>();
        services.AddSingleton<StreamResumer>();
        services.AddSingleton<RetryPolicy>();
        services.AddSingleton<AttemptSettlement>();
        services.AddSingleton<AttemptLoop>();
        services.AddSingleton<QueueWaits>();
        services.AddSingleton<FaultRecorder>();
        services.AddSingleton<RequestForwarder>();
        return services;
    }
}
