using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Adds optional resources that observe the fleet. They need a container runtime and are not published.</summary>
public static class BridgeObservabilityExtensions
{
    private const string Prometheus = "prometheus";
    private const string Grafana = "grafana";
    private const string DcgmExporter = "dcgm-exporter";
    private const string Http = "http";

    /// <summary>Adds Prometheus, which scrapes the bridge and the DCGM exporter, if there is one.</summary>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithPrometheus(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        AddPrometheus(bridge);
        return bridge;
    }

    /// <summary>Adds Grafana with the fleet's dashboard, and Prometheus if it is missing.</summary>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithGrafana(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        if (Find(bridge, Grafana) is not null)
            return bridge;
        var prometheus = AddPrometheus(bridge);
        bridge.ApplicationBuilder.AddContainer(Grafana, ObservabilityImages.Grafana, ObservabilityImages.GrafanaTag)
            .WithHttpEndpoint(targetPort: 3000, name: Http)
            .WithHttpHealthCheck("/api/health")
            .WithIconName("ChartMultiple")
            // It listens on this machine only.
            .WithEnvironment("GF_AUTH_ANONYMOUS_ENABLED", "true")
            .WithEnvironment("GF_AUTH_ANONYMOUS_ORG_ROLE", "Admin")
            .WithEnvironment("GF_AUTH_DISABLE_LOGIN_FORM", "true")
            .WithEnvironment("PROMETHEUS_URL", prometheus.GetEndpoint(Http))
            .WithContainerFiles("/etc/grafana/provisioning", ObservabilityFiles.GrafanaProvisioning())
            .WithContainerFiles("/var/lib/grafana/dashboards", ObservabilityFiles.Dashboards())
            .WithUrlForEndpoint(Http, url =>
            {
                url.Url = "/d/ollamabridge";
                url.DisplayText = "Fleet dashboard";
            })
            .WaitFor(prometheus)
            .ExcludeFromManifest();
        return bridge;
    }

    /// <summary>Adds NVIDIA's DCGM exporter: load, memory and temperature of each GPU. Without NVIDIA GPUs it adds nothing.</summary>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithDcgmExporter(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        if (Find(bridge, DcgmExporter) is null && HasNvidia(bridge))
        {
            bridge.ApplicationBuilder.AddContainer(DcgmExporter, ObservabilityImages.DcgmExporter, ObservabilityImages.DcgmExporterTag)
                .WithHttpEndpoint(targetPort: 9400, name: Http)
                .WithIconName("DeveloperBoard")
                .WithContainerRuntimeArgs(context =>
                {
                    var arguments = bridge.Resource.Fleet.Host.ContainerRuntime == "podman"
                        ? (string[])["--device", "nvidia.com/gpu=all", "--cap-add", "SYS_ADMIN"]
                        : ["--gpus", "all", "--cap-add", "SYS_ADMIN"];
                    foreach (var argument in arguments)
                        context.Args.Add(argument);
                })
                .WithUrlForEndpoint(Http, url => url.Url = "/metrics")
                .ExcludeFromManifest();
        }

        return bridge;
    }

    private static IResourceBuilder<ContainerResource> AddPrometheus(IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        if (Find(bridge, Prometheus) is { } existing)
            return bridge.ApplicationBuilder.CreateResourceBuilder(existing);
        var builder = bridge.ApplicationBuilder;
        return builder.AddContainer(Prometheus, ObservabilityImages.Prometheus, ObservabilityImages.PrometheusTag)
            .WithHttpEndpoint(targetPort: 9090, name: Http)
            .WithHttpHealthCheck("/-/ready")
            .WithIconName("DataTrending")
            .WithContainerFiles("/etc/prometheus", async (context, cancellationToken) =>
            {
                _ = context;
                var targets = new List<ScrapeTarget> { new("ollamabridge", await AddressAsync(bridge.Resource.AdminEndpoint, cancellationToken)) };
                if (Find(bridge, DcgmExporter) is { } dcgm)
                    targets.Add(new("dcgm", await AddressAsync(new EndpointReference(dcgm, Http), cancellationToken)));
                return [ObservabilityFiles.PrometheusConfiguration(targets)];
            })
            .WithVolume("ollamabridge-prometheus", "/prometheus")
            .WaitFor(bridge)
            .ExcludeFromManifest();

        // The address as containers see it, which can differ from the address for this process.
        async ValueTask<string> AddressAsync(EndpointReference endpoint, CancellationToken cancellationToken) =>
            await endpoint.Property(EndpointProperty.HostAndPort).GetValueAsync(
                new ValueProviderContext { Network = KnownNetworkIdentifiers.DefaultAspireContainerNetwork }, cancellationToken)
            ?? throw new DistributedApplicationException($"{endpoint.Resource.Name} has no address.");
    }

    private static bool HasNvidia(IResourceBuilder<IOllamaBridgeResource> bridge) =>
        Choices.Gpus(
            bridge.Resource.Fleet.Gpus, bridge.ApplicationBuilder.ExecutionContext.IsPublishMode,
            bridge.Resource.Fleet.Host).Value.Vendor == BridgeGpuVendor.Nvidia;

    private static ContainerResource? Find(IResourceBuilder<IOllamaBridgeResource> bridge, string name) =>
        bridge.ApplicationBuilder.Resources.OfType<ContainerResource>().FirstOrDefault(r => r.Name == name);
}
