namespace OllamaBridge.AppHost;

/// <summary>Compiled only with the Community Toolkit's Ollama integration.</summary>
internal static partial class Features
{
    static partial void DetectContainers(ref bool available) => available = true;

    static partial void AddContainers(IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier) => bridge.WithContainerInstances(count, tier);

    static partial void AddOpenWebUI(IResourceBuilder<IOllamaBridgeResource> bridge) => bridge.WithOpenWebUI();
}
