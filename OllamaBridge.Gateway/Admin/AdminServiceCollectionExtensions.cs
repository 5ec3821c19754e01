using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Admin.Page;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Registers the operators' API.</summary>
internal static class AdminServiceCollectionExtensions
{
    /// <summary>Adds the services that the endpoints, the separate listener and the fleet page need.</summary>
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddBridgeOptions<AdminOptions, AdminOptionsValidator>(AdminOptions.Section);
        services.AddSingleton<AdminListener>();
        services.AddSingleton<OperatorGate>();
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
