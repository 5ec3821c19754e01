using OllamaBridge.Hosting;

var builder = DistributedApplication.CreateBuilder(args);
var fleet = builder.GetFleetSettings();

var state = builder.AddBridgeState("state", fleet.State);

var bridge = builder.AddOllamaBridge("bridge", fleet.Port)
    .WithState(state)
    .WithBackend(fleet.Backend)
    .WithExternalUrls(fleet.Urls)
    .WithServer(fleet.Server)
    .WithLimits(fleet.Limits)
    .WithGpus(fleet.Gpus)
    .WithInstances(fleet.Instances)
    .WithModels(fleet.Models);

foreach (var (name, tier) in fleet.Tiers)
    bridge.WithTier(name, tier);

bridge.WithHelmChart(fleet.Kubernetes);

if (fleet.Prometheus)
    bridge.WithPrometheus();
if (fleet.Grafana)
    bridge.WithGrafana();
if (fleet.DcgmExporter)
    bridge.WithDcgmExporter();
if (fleet.OpenWebUI)
    bridge.WithOpenWebUI();

builder.Build().Run();
