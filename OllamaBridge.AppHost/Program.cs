using OllamaBridge.AppHost;
using OllamaBridge.Hosting;

try
{
    var builder = DistributedApplication.CreateBuilder(args);
    Programs.UseProjects<Projects.OllamaBridge_Gateway, Projects.OllamaBridge_Simulator, Projects.OllamaBridge_StateServer>(builder);
    var fleet = builder.GetFleetSettings();

    var bridge = builder.AddOllamaBridge("bridge", fleet.Port, fleet.AdminPort)
        .WithState(builder.AddBridgeState("state", fleet.State))
        .WithServerOptions(fleet.Server)
        .WithLimits(fleet.Limits)
        .WithGpus(fleet.Gpus.Vendor, fleet.Gpus.DeviceList)
        .WithModels(fleet.ModelList);

    // A published bridge is reachable from outside: it never runs without a key.
    if (fleet.RequireKey || builder.ExecutionContext.IsPublishMode)
        bridge.WithApiKey(builder.AddBridgeKey("bridge-key"));
    if (fleet.PersistentContainers)
        bridge.WithPersistentContainers();
    if (fleet.Bridges > 1)
        bridge.WithBridgeReplicas(fleet.Bridges);

    foreach (var (name, tier) in fleet.Tiers)
        bridge.WithTier(name, tier.ToOptions());
    bridge.AddFleet(fleet);

    if (fleet.Prometheus)
        bridge.WithPrometheus();
    if (fleet.Grafana)
        bridge.WithGrafana();
    if (fleet.DcgmExporter)
        bridge.WithDcgmExporter();
    if (fleet.OpenWebUI)
        Features.OpenWebUI(bridge);
    Features.HelmChart(bridge, fleet.Kubernetes);

    builder.Build().Run();
    return 0;
}
catch (Exception e) when (StartupFailure.IsOfSettings(e))
{
    return StartupFailure.Write(e);
}
