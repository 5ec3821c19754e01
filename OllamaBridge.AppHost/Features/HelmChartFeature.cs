namespace OllamaBridge.AppHost;

/// <summary>Compiled only with Aspire's Kubernetes publisher.</summary>
internal static partial class Features
{
    static partial void AddHelmChart(IResourceBuilder<IOllamaBridgeResource> bridge, BridgeKubernetesOptions options) => bridge.WithHelmChart(options);
}
