using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Admin.Page;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Admin;

internal static class AdminServiceCollectionExtensions
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddBridgeOptions<AdminOptions, AdminOptionsValidator>(AdminOptions.Section);
        services.AddSingleton<AdminListener>();
        services.AddSingleton<OperatorGate>();
        services.AddSingleton<SettingsAudit>();
        services.AddFleetPage();
        services.AddApiDescription();
        return services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.TypeInfoResolverChain.Insert(0, AdminJson.Default);
            options.SerializerOptions.TypeInfoResolverChain.Insert(1, UsageJson.Default);
            options.SerializerOptions.TypeInfoResolverChain.Insert(2, OllamaBridge.Gateway.Audit.AuditJson.Default);
            options.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        });
    }
}
