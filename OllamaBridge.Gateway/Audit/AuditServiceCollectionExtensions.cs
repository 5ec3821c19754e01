using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Registers the audit log.</summary>
internal static class AuditServiceCollectionExtensions
{
    /// <summary>Adds the audit log; its store is registered with the other stores.</summary>
    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.AddBridgeOptions<AuditOptions, AuditOptionsValidator>(AuditOptions.Section);
        return services.AddSingleton<AuditTrail>();
    }
}
