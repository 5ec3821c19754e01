namespace OllamaBridge.Gateway.Admission;

/// <summary>The room where requests wait.</summary>
internal static class AdmissionServiceCollectionExtensions
{
    /// <summary>Adds the queue and the lock of the shared model folder.</summary>
    public static IServiceCollection AddAdmission(this IServiceCollection services)
    {
        services.AddBridgeOptions<QueueOptions, QueueOptionsValidator>(QueueOptions.Section);
        services.AddBridgeOptions<ManagementOptions, ManagementOptionsValidator>(ManagementOptions.Section);
        services.AddSingleton<RequestQueue>();
        services.AddSingleton<WriterLock>();
        services.AddSingleton<ManagementStage>();
        return services;
    }
}
