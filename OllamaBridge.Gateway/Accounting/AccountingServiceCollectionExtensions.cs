namespace OllamaBridge.Gateway.Accounting;

/// <summary>The room that settles.</summary>
internal static class AccountingServiceCollectionExtensions
{
    /// <summary>Adds accounting; the ledger is the state's.</summary>
    public static IServiceCollection AddAccounting(this IServiceCollection services)
    {
        services.AddBridgeOptions<LedgerOptions, LedgerOptionsValidator>(LedgerOptions.Section);
        return services.AddSingleton<CallAccounting>();
    }
}
