using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Queueing;

internal static class QueueServiceCollectionExtensions
{
    public static IServiceCollection AddQueue(this IServiceCollection services)
    {
        services.AddBridgeOptions<QueueOptions, QueueOptionsValidator>(QueueOptions.Section);
        services.AddSingleton<QueueMetrics>();
        services.AddSingleton<ModelQueues>();
        services.AddSingleton<LeaseAllocator>();
        return services.AddSingleton<RequestQueue>();
    }
}
