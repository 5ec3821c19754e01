namespace OllamaBridge.Gateway.Accounting;

/// <summary>The room that settles.</summary>
internal static class AccountingServiceCollectionExtensions
{
    /// <summary>Adds accounting.</summary>
    public static IServiceCollection AddAccounting(this IServiceCollection services) => services.AddSingleton<CallAccounting>();
}
