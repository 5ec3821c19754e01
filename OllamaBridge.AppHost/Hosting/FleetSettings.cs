namespace OllamaBridge.Hosting;

/// <summary>The application's settings: section <c>Fleet</c> of <c>appsettings.json</c>, environment (<c>Fleet__Instances</c>) or command line (<c>--Fleet:Instances=5</c>).</summary>
public sealed record FleetSettings
{
    /// <summary>The section's name.</summary>
    public const string Section = "Fleet";

    /// <summary>What the instances are.</summary>
    public FleetBackend Backend { get; init; }

    /// <summary>Addresses of servers that run already, separated by commas; for <see cref="FleetBackend.External"/>.</summary>
    public string? Urls { get; init; }

    /// <summary>How many instances. 1 to 256.</summary>
    public int Instances { get; init; } = 3;

    /// <summary>Models, separated by commas; pulled once into the shared volume. The first is the default of clients that are wired to the bridge.</summary>
    public string Models { get; init; } = "deepseek-r1:7b";

    /// <summary>How each server is set up.</summary>
    public ServerSettings Server { get; init; } = new();

    /// <summary>What each instance may use.</summary>
    public LimitSettings Limits { get; init; } = new();

    /// <summary>The GPUs.</summary>
    public GpuSettings Gpus { get; init; } = new();

    /// <summary>Further groups of instances by name, such as <c>Fleet:Tiers:cold</c>.</summary>
    public IDictionary<string, TierSettings> Tiers { get; init; } = new SortedDictionary<string, TierSettings>(StringComparer.Ordinal);

    /// <summary>What a Helm chart says of it besides.</summary>
    public KubernetesSettings Kubernetes { get; init; } = new();

    /// <summary>Where gateways keep what they share.</summary>
    public StateBackend State { get; init; }

    /// <summary>The bridge's port on this machine.</summary>
    public int Port { get; init; } = 11400;

    /// <summary>Whether Prometheus runs beside the bridge. Wants a container runtime.</summary>
    public bool Prometheus { get; init; }

    /// <summary>Whether Grafana runs with the fleet's dashboard, and Prometheus for it. Wants a container runtime.</summary>
    public bool Grafana { get; init; }

    /// <summary>Whether NVIDIA's DCGM exporter runs. Wants a container runtime with NVIDIA GPUs.</summary>
    public bool DcgmExporter { get; init; }

    /// <summary>Whether Open WebUI runs, pointed at the bridge. Wants a container runtime.</summary>
    public bool OpenWebUI { get; init; }
}
