using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Gateway.Telemetry.Console;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.ServiceDefaults;

namespace OllamaBridge.Gateway;

/// <summary>Composes the gateway's services and routes.</summary>
internal static class GatewayBuilderExtensions
{
    public static WebApplicationBuilder AddGateway(this WebApplicationBuilder builder)
    {
        builder.AddServiceDefaults();
        builder.Logging.AddDefaults().BatchConsole();
        builder.WebHost.ConfigureGatewayServer(builder.Configuration);
        builder.Services
            .AddSettings(builder.Configuration)
            .AddIdentity()
            .AddProtocols()
            .AddCatalog()
            .AddState()
            .AddQuotas()
            .AddQueue()
            .AddDiscovery()
            .AddFleet()
            .AddActivation()
            .AddRegions()
            .AddScheduling()
            .AddForwarding()
            .AddResumption()
            .AddAccounting()
            .AddAudit()
            .AddShutdown()
            .AddBridgeTelemetry()
            .AddAdmin()
            .AddPipeline()
            .AddHostedService<GatewayReload>();
        return builder;
    }

    public static WebApplication MapGateway(this WebApplication app)
    {
        app.UseGateway();
        app.MapAdmin();
        app.MapDefaultEndpoints(AdminEndpoints.WriteHealthAsync);
        app.MapPrometheusScrapingEndpoint("/metrics");
        return app;
    }
}
