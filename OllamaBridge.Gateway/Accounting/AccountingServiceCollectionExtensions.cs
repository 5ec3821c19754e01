using Microsoft.Extensions.DependencyInjection.Extensions;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>The room that settles.</summary>
internal static class AccountingServiceCollectionExtensions
{
    /// <summary>Adds accounting and the ledger.</summary>
    public static IServiceCollection AddAccounting(this IServiceCollection services)
    {
        services.AddBridgeOptions<LedgerOptions, LedgerOptionsValidator>(LedgerOptions.Section);
        services.TryAddSingleton<ILedger, MemoryLedger>();
        return services.AddSingleton<CallAccounting>();
    }
}
