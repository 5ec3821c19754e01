namespace OllamaBridge.Gateway.Audit;

/// <summary>Adds the audit log.</summary>
internal static class AuditServiceCollectionExtensions
{
    /// <summary>Adds the audit log; its store is added with the other stores.</summary>
    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.AddBridgeOptions<AuditOptions, AuditOptionsValidator>(AuditOptions.Section);
        services.AddSingleton<ModelAudit>();
        services.AddSingleton<SettingsAudit>();
        return services.AddSingleton<AuditTrail>();
    }
}
