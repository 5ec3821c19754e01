
namespace OllamaBridge.Gateway.Accounting;

/// <summary>Registers accounting.</summary>
internal static class AccountingServiceCollectionExtensions
{
    public static IServiceCollection AddAccounting(this IServiceCollection services)
    {
        services.AddBridgeOptions<LedgerOptions, LedgerOptionsValidator>(LedgerOptions.Section);
        return services;
    }
}
