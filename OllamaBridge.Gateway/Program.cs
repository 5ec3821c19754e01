using Microsoft.Extensions.Options;
using OllamaBridge.Gateway;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Naming;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Gateway.Telemetry.Console;
using OllamaBridge.ServiceDefaults;

if (args is [NewKeyCommand.Name])
{
    NewKeyCommand.Run(Console.Out);
    return 0;
}

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.Logging.AddDefaults().BatchConsole();
builder.WebHost.ConfigureGatewayServer(builder.Configuration);
builder.Services
    .AddIdentity()
    .AddProtocols()
    .AddNaming()
    .AddState()
    .AddAdmission()
    .AddFleet()
    .AddActivation()
    .AddRegions()
    .AddScheduling()
    .AddForwarding()
    .AddAccounting()
    .AddAudit()
    .AddShutdown()
    .AddBridgeTelemetry()
    .AddAdmin();

var app = builder.Build();
try
{
    app.ValidateOptions();
}
catch (OptionsValidationException mistakes) when (SettingsMistakes.IsOwnProcess)
{
    return SettingsMistakes.Tell(mistakes, Console.Error);
}

app.UseGateway();
app.MapAdmin();
app.MapDefaultEndpoints(AdminEndpoints.WriteHealthAsync);
app.MapPrometheusScrapingEndpoint("/metrics");
await app.RunAsync();
return 0;
