using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tenants;

internal static class IdentityServiceCollectionExtensions
{
    public static IServiceCollection AddIdentity(this IServiceCollection services)
    {
        services.AddBridgeOptions<AccessOptions, AccessOptionsValidator>(AccessOptions.Section);
        services.AddBridgeOptions<TenantsOptions, TenantsOptionsValidator>(TenantsOptions.Section);
        services.AddSingleton<IValidateOptions<AccessOptions>, AnonymousAccessValidator>();
        services.AddSingleton<TenantDirectory>();
        services.AddSingleton<FailedLoginThrottle>();
        services.AddSingleton<RequestAuthenticator>();
        services.AddHostedService<TenantLoader>();
        services.AddSingleton<AccessMetrics>();
        return services;
    }
}
