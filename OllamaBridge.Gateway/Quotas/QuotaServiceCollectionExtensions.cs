using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Quotas;

internal static class QuotaServiceCollectionExtensions
{
    public static IServiceCollection AddQuotas(this IServiceCollection services)
    {
        services.AddBridgeOptions<CapOptions, CapOptionsValidator>(CapOptions.Section);
        services.AddSingleton<QuotaMetrics>();
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<QuotaStore>(provider, provider.GetRequiredService<FleetSharing>().Gateway));
        services.AddSingleton<IQuotaStore>(provider => provider.GetRequiredService<QuotaStore>());
        services.AddSingleton<QuotaReservations>();
        services.AddHostedService<QuotaSharing>();
        return services;
    }
}
