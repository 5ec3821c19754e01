using OllamaBridge.Hosting;

namespace OllamaBridge.AppHost;

/// <summary>The application's settings: section <c>Fleet</c> of <c>appsettings.json</c>, the environment (<c>Fleet__Instances</c>) or the command line
/// (<c>--Fleet:Instances=5</c>).</summary>
internal sealed record FleetSettings
{
    /// <summary>The section's name.</summary>
    public const string Section = "Fleet";

    /// <summary>The kind of the instances.</summary>
    public FleetBackend Backend { get; init; }

    /// <summary>Addresses of servers that run already, separated by commas; for <see cref="FleetBackend.External"/>.</summary>
    public string? Urls { get; init; }

    /// <summary>The number of instances. 1 to 256.</summary>
    public int Instances { get; init; } = 3;

    /// <summary>Models, separated by commas; pulled once into the shared folder. The first is the default of clients that are wired to the bridge.</summary>
    public string Models { get; init; } = "deepseek-r1:7b";

    /// <summary>The settings of each server.</summary>
    public BridgeServerOptions Server { get; init; } = new();

    /// <summary>The limits of each container.</summary>
    public BridgeLimitOptions Limits { get; init; } = new();

    /// <summary>The GPUs.</summary>
    public FleetGpuSettings Gpus { get; init; } = new();

    /// <summary>Further groups of instances by name, such as <c>Fleet:Tiers:cold</c>.</summary>
    public IDictionary<string, FleetTierSettings> Tiers { get; init; } = new SortedDictionary<string, FleetTierSettings>(StringComparer.Ordinal);

    /// <summary>Settings of the Helm chart.</summary>
    public BridgeKubernetesOptions Kubernetes { get; init; } = new();

    /// <summary>The store that gateways share.</summary>
    public BridgeStateBackend State { get; init; }

    /// <summary>The bridge's port on this machine for clients.</summary>
    public int Port { get; init; } = 11400;

    /// <summary>The bridge's port on this machine for operators: the fleet page, the admin API and the metrics.</summary>
    public int AdminPort { get; init; } = 11401;

    /// <summary>The number of gateways behind that port. 1 to 64.</summary>
    public int Bridges { get; init; } = 1;

    /// <summary>Whether clients need a key. The parameter <c>bridge-key</c> holds it; without a value one is generated and kept in the user secrets.</summary>
    public bool RequireKey { get; init; }

    /// <summary>Whether containers of instances outlive the application.</summary>
    public bool PersistentContainers { get; init; }

    /// <summary>Whether Prometheus runs beside the bridge. Needs a container runtime.</summary>
    public bool Prometheus { get; init; }

    /// <summary>Whether Grafana runs with the fleet's dashboard, and Prometheus with it. Needs a container runtime.</summary>
    public bool Grafana { get; init; }

    /// <summary>Whether NVIDIA's DCGM exporter runs. Needs a container runtime with NVIDIA GPUs.</summary>
    public bool DcgmExporter { get; init; }

    /// <summary>Whether Open WebUI runs, connected to the bridge. Needs a container runtime.</summary>
    public bool OpenWebUI { get; init; }

    internal string[] ModelList => [.. Names.Split(Models)];

    internal string[] UrlList => [.. Names.Split(Urls)];
}

/// <summary>The GPUs of the instances.</summary>
internal sealed record FleetGpuSettings
{
    /// <summary>The vendor.</summary>
    public BridgeGpuVendor Vendor { get; init; }

    /// <summary>Device numbers or UUIDs, separated by commas; null for all devices that are found.</summary>
    public string? Devices { get; init; }

    internal string[] DeviceList => [.. Names.Split(Devices)];

    internal BridgeGpuOptions ToOptions() => new() { Vendor = Vendor, Devices = DeviceList };
}

/// <summary>A further group of like instances.</summary>
internal sealed record FleetTierSettings
{
    /// <summary>The number of instances. 1 to 256.</summary>
    public int Instances { get; init; } = 1;

    /// <summary>Models that this tier serves, separated by commas; they are pulled with the others.</summary>
    public string? Models { get; init; }

    /// <summary>Differences from the fleet's server settings.</summary>
    public BridgeServerOptions Server { get; init; } = new();

    /// <summary>Differences from the fleet's limits; null for none.</summary>
    public BridgeLimitOptions? Limits { get; init; }

    /// <summary>Differences from the fleet's GPUs; null for none.</summary>
    public FleetGpuSettings? Gpus { get; init; }

    /// <summary>Whether the instances start on demand or by hand instead of with the application.</summary>
    public bool ExplicitStart { get; init; }

    internal BridgeTierOptions ToOptions() => new()
    {
        Models = Names.Split(Models),
        Server = Server,
        Limits = Limits,
        Gpus = Gpus?.ToOptions(),
        ExplicitStart = ExplicitStart,
    };
}
