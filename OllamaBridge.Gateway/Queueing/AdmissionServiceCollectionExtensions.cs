using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Registers admission.</summary>
internal static class AdmissionServiceCollectionExtensions
{
    /// <summary>Adds the tenants' limits, the queue and the lock of the shared model store.</summary>
    public static IServiceCollection AddAdmission(this IServiceCollection services)
    {
        services.AddBridgeOptions<QueueOptions, QueueOptionsValidator>(QueueOptions.Section);
        services.AddBridgeOptions<ManagementOptions, ManagementOptionsValidator>(ManagementOptions.Section);
        services.AddSingleton<Microsoft.Extensions.Options.IValidateOptions<ManagementOptions>, RegistriesValidator>();
        services.AddBridgeOptions<CapOptions, CapOptionsValidator>(CapOptions.Section);
        services.AddSingleton<ConcurrencyGate>();
        services.AddSingleton<QuotaStage>();
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<QuotaStore>(provider, provider.GetRequiredService<FleetSharing>().Gateway));
        services.AddSingleton<IQuotaStore>(provider => provider.GetRequiredService<QuotaStore>());
        services.AddHostedService<QuotaSharing>();
        services.AddSingleton<ModelQueues>();
        services.AddSingleton<LeaseAllocator>();
        services.AddSingleton<RequestQueue>();
        services.AddSingleton<ModelStoreLock>();
        services.AddSingleton<BlobPresence>();
        services.AddSingleton<ManagementStage>();
        return services;
    }
}
