namespace OllamaBridge.AppHost;

/// <summary>Features that need an optional package. Without it a feature's partial method has no body, and its calls compile to nothing.</summary>
internal static partial class Features
{
    /// <summary>Whether this build can run containers of instances.</summary>
    public static bool HasContainers
    {
        get
        {
            var available = false;
            DetectContainers(ref available);
            return available;
        }
    }

    /// <summary>Adds container instances.</summary>
    /// <exception cref="DistributedApplicationException">This build has no containers.</exception>
    public static void Containers(IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier)
    {
        if (!HasContainers)
            throw new DistributedApplicationException(
                "Containers need the package CommunityToolkit.Aspire.Hosting.Ollama, which could not be restored when this application was built. "
                + "Delete artifacts/optional-packages.props and build again to retry; Fleet:Backend=Simulator, Executable or External work without it.");
        AddContainers(bridge, count, tier);
    }

    /// <summary>Adds Open WebUI.</summary>
    public static void OpenWebUI(IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        if (!HasContainers)
            throw new DistributedApplicationException(
                "Fleet:OpenWebUI: needs the package CommunityToolkit.Aspire.Hosting.Ollama, which could not be restored when this application was built.");
        AddOpenWebUI(bridge);
    }

    /// <summary>Publishes as a Helm chart, if this build can.</summary>
    public static void HelmChart(IResourceBuilder<IOllamaBridgeResource> bridge, BridgeKubernetesOptions options) => AddHelmChart(bridge, options);

    static partial void DetectContainers(ref bool available);

    static partial void AddContainers(IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier);

    static partial void AddOpenWebUI(IResourceBuilder<IOllamaBridgeResource> bridge);

    static partial void AddHelmChart(IResourceBuilder<IOllamaBridgeResource> bridge, BridgeKubernetesOptions options);
}
