namespace OllamaBridge.Hosting;

/// <summary>Optional resources that watch the fleet. They want a container runtime and stay out of the manifest.</summary>
public static class ObservabilityExtensions
{
    private const string Prometheus = "prometheus";
    private const string Grafana = "grafana";
    private const string DcgmExporter = "dcgm-exporter";
    private const string Http = "http";

    /// <summary>Adds Prometheus, which reads the bridge's metrics, and the DCGM exporter's where that is there, too.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithPrometheus(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        AddPrometheus(bridge);
        return bridge;
    }

    /// <summary>Adds Grafana with the fleet's dashboard, and Prometheus for it.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithGrafana(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        if (Find(bridge, Grafana) is not null)
            return bridge;
        var prometheus = AddPrometheus(bridge);
        bridge.ApplicationBuilder.AddContainer(Grafana, ObservabilityImages.Grafana, ObservabilityImages.GrafanaTag)
            .WithHttpEndpoint(targetPort: 3000, name: Http)
            .WithHttpHealthCheck("/api/health")
            // Bound to this machine: nobody else gets at it.
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

    /// <summary>Adds NVIDIA's DCGM exporter: load, memory and temperature of each GPU.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithDcgmExporter(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        if (Find(bridge, DcgmExporter) is null && HasNvidia(bridge))
        {
            bridge.ApplicationBuilder.AddContainer(DcgmExporter, ObservabilityImages.DcgmExporter, ObservabilityImages.DcgmExporterTag)
                .WithHttpEndpoint(targetPort: 9400, name: Http)
                .WithContainerRuntimeArgs(context =>
                {
                    var arguments = bridge.Resource.Host.ContainerRuntime == "podman"
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

    private static IResourceBuilder<ContainerResource> AddPrometheus(IResourceBuilder<OllamaBridgeResource> bridge)
    {
        if (Find(bridge, Prometheus) is { } there)
            return bridge.ApplicationBuilder.CreateResourceBuilder(there);
        var builder = bridge.ApplicationBuilder;
        return builder.AddContainer(Prometheus, ObservabilityImages.Prometheus, ObservabilityImages.PrometheusTag)
            .WithHttpEndpoint(targetPort: 9090, name: Http)
            .WithHttpHealthCheck("/-/ready")
            .WithContainerFiles("/etc/prometheus", async (context, cancellationToken) =>
            {
                _ = context;
                var targets = new List<ScrapeTarget> { new("ollamabridge", await AddressAsync(bridge.Resource.PrimaryEndpoint, cancellationToken)) };
                if (Find(bridge, DcgmExporter) is { } dcgm)
                    targets.Add(new("dcgm", await AddressAsync(new EndpointReference(dcgm, Http), cancellationToken)));
                return [ObservabilityFiles.PrometheusConfiguration(targets)];
            })
            .WithVolume("ollamabridge-prometheus", "/prometheus")
            .WaitFor(bridge)
            .ExcludeFromManifest();

        // The address as a container sees it, which need not be the one that this process sees.
        async ValueTask<string> AddressAsync(EndpointReference endpoint, CancellationToken cancellationToken) =>
            await endpoint.Property(EndpointProperty.HostAndPort).GetValueAsync(
                new ValueProviderContext { Network = KnownNetworkIdentifiers.DefaultAspireContainerNetwork }, cancellationToken)
            ?? throw new DistributedApplicationException($"{endpoint.Resource.Name} has no address.");
    }

    private static bool HasNvidia(IResourceBuilder<OllamaBridgeResource> bridge) =>
        Choices.Gpus(bridge.Resource.Gpus, bridge.ApplicationBuilder.ExecutionContext.IsPublishMode, bridge.Resource.Host).Value.Vendor == GpuVendor.Nvidia;

    private static ContainerResource? Find(IResourceBuilder<OllamaBridgeResource> bridge, string name) =>
        bridge.ApplicationBuilder.Resources.OfType<ContainerResource>().FirstOrDefault(r => r.Name == name);
}

/// <summary>The images, pinned in one place.</summary>
internal static class ObservabilityImages
{
    public const string Prometheus = "docker.io/prom/prometheus";
    public const string PrometheusTag = "v3.5.0";
    public const string Grafana = "docker.io/grafana/grafana";
    public const string GrafanaTag = "12.1.1";
    public const string DcgmExporter = "nvcr.io/nvidia/k8s/dcgm-exporter";
    public const string DcgmExporterTag = "4.2.3-4.1.3-ubuntu22.04";
}
