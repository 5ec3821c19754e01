using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Audit;

internal static class AuditServiceCollectionExtensions
{
    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.AddBridgeOptions<AuditOptions, AuditOptionsValidator>(AuditOptions.Section);
        return services.AddSingleton<AuditTrail>();
    }
}
