using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>The room where requests wait.</summary>
internal static class AdmissionServiceCollectionExtensions
{
    /// <summary>Adds the queue and the lock of the shared model folder.</summary>
    public static IServiceCollection AddAdmission(this IServiceCollection services)
    {
        services.AddOptions<QueueOptions>().BindConfiguration(QueueOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<QueueOptions>, QueueOptionsValidator>();
        services.AddOptions<ManagementOptions>().BindConfiguration(ManagementOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<ManagementOptions>, ManagementOptionsValidator>();
        services.AddSingleton<RequestQueue>();
        services.AddSingleton<WriterLock>();
        services.AddSingleton<ManagementStage>();
        return services;
    }
}
