using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.State;

internal static class StateServiceCollectionExtensions
{
    public static IServiceCollection AddState(this IServiceCollection services)
    {
        services.AddBridgeOptions<StateOptions, StateOptionsValidator>(StateOptions.Section);
        services.AddOptions<StateOptions>().PostConfigure<IConfiguration>((options, configuration) =>
        {
            if (string.IsNullOrEmpty(options.ConnectionString))
                options.ConnectionString = configuration.GetConnectionString(StateOptions.AspireName);
        });
        services.AddSingleton<IValidateOptions<StateOptions>, StateConnectionValidator>();
        services.AddSingleton<StateMetrics>();
        services.AddSingleton<StateConnection>();
        services.AddHostedService(provider => provider.GetRequiredService<StateConnection>());
        services.AddSingleton<IFleetStore>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? new RedisFleetStore(connection.Open("fleet", "instances may receive more requests than they have slots"))
            : new MemoryFleetStore(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IModelStoreLockStore>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? new RedisModelStoreLockStore(connection.Open("writer", "two gateways may change models at the same time"))
            : new MemoryModelStoreLockStore(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ITierStore>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? new RedisTierStore(connection.Open("tiers", "cold tiers start, but none scales back to zero"))
            : new MemoryTierStore(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<MemoryLedger>();
        services.AddSingleton<ILedger>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? ActivatorUtilities.CreateInstance<RedisLedger>(provider, new RedisLedgerStore(
                connection.Open("ledger", "records wait in the memory of each gateway, and each reports only its own"),
                provider.GetRequiredService<IOptions<LedgerOptions>>().Value,
                provider.GetRequiredService<TimeProvider>()))
            : provider.GetRequiredService<MemoryLedger>());
        services.AddHostedService<LedgerWriter>();
        services.AddSingleton<MemoryAuditStore>();
        services.AddSingleton<IAuditStore>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? ActivatorUtilities.CreateInstance<RedisAuditStore>(
                provider, connection.Open("audit", "audit entries wait in each bridge's memory, and each bridge shows its own only"))
            : provider.GetRequiredService<MemoryAuditStore>());
        services.AddHostedService<AuditWriter>();
        services.AddSingleton<ITenantStore>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? ActivatorUtilities.CreateInstance<RedisTenantStore>(
                provider, connection.Open("tenants", "the last known keys apply, and no tenant can be changed"))
            : new MemoryTenantStore());
        services.AddSingleton<IQuotaShares>(provider => provider.GetRequiredService<StateConnection>() is { IsShared: true } connection
            ? new RedisQuotaShares(connection.Open(
                "quota", "each gateway grants an even share of the limits; tenants that fail closed get no more than it has already claimed"))
            : new MemoryQuotaShares(provider.GetRequiredService<TimeProvider>()));
        services.AddHealthChecks().AddCheck<StateHealthCheck>("state");
        return services;
    }
}
