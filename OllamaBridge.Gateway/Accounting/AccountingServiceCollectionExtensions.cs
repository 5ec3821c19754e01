using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Accounting;

internal static class AccountingServiceCollectionExtensions
{
    public static IServiceCollection AddAccounting(this IServiceCollection services)
    {
        return services.AddBridgeOptions<LedgerOptions, LedgerOptionsValidator>(LedgerOptions.Section).AddSingleton<RecentFigures>();
    }
}
