using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway;

/// <summary>Passes accepted changes, in a fixed order, to components that keep state derived from settings.</summary>
internal sealed class GatewayReload(
    BridgeSettings settings,
    TenantDirectory directory,
    TierDirectory tiers,
    FleetOwner fleet,
    ActivationService activation,
    SettingsAudit audit,
    IServiceProvider services) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        audit.Note(Of<TenantsOptions>(), Of<TiersOptions>(), Of<ModelsOptions>());
        settings.Changed += Apply;
        // Applies a change that was accepted during startup, before the handler was registered.
        if (settings.HasChanged)
            Apply();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        settings.Changed -= Apply;
        return Task.CompletedTask;
    }

    private void Apply()
    {
        GatewayServer.Apply(Of<KestrelServerOptions>(), Of<LimitOptions>());
        audit.Record(Of<TenantsOptions>(), Of<TiersOptions>(), Of<ModelsOptions>());
        directory.Configure(Of<TenantsOptions>());
        var tiersChanged = tiers.Configure(Of<TiersOptions>());
        fleet.Reconfigure(tiers.Cold, CatalogServiceCollectionExtensions.DigestsOf(Of<ModelsOptions>()));
        if (tiersChanged)
            activation.Reconfigure();
    }

    private TOptions Of<TOptions>()
        where TOptions : class => services.GetRequiredService<IOptions<TOptions>>().Value;
}
