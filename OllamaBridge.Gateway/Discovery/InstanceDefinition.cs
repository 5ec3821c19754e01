
namespace OllamaBridge.Gateway.Discovery;

/// <summary>The definition of one server. Immutable, compared by value.</summary>
/// <param name="Slots">The maximum of concurrent requests (its <c>OLLAMA_NUM_PARALLEL</c>).</param>
/// <param name="MaxLoadedModels">The number of models that fit in memory (its <c>OLLAMA_MAX_LOADED_MODELS</c>); 0: derived from observation.</param>
internal sealed record InstanceDefinition(
    string Name, Uri Url, int Slots, int MaxLoadedModels, InstanceDiscovery Discovery = InstanceDiscovery.None)
{
    /// <summary>The settings of an OpenAI server; null for an Ollama server.</summary>
    public OpenAIService? OpenAI { get; init; }

    public const string DefaultPortName = "http";

    /// <summary>Groups: the name of the servers' port in the Service.</summary>
    public string PortName { get; init; } = DefaultPortName;

    /// <summary>Whether discovery found it as a server of a group. If discovery no longer finds it, its requests run to their end.</summary>
    public bool IsDiscovered { get; init; }

    /// <summary>Distinguishes servers that use the same name one after another: the pod's uid, or the address; null if unknown. Directives apply to one of them.</summary>
    public string? Incarnation { get; init; }

    public bool IsLeaving { get; init; }

    /// <summary>The settings of another region's bridge; null for a server of this region.</summary>
    public PeerBridge? Peer { get; init; }

    public InstanceKind Kind => Peer is not null ? InstanceKind.Bridge : OpenAI is null ? InstanceKind.Ollama : InstanceKind.OpenAI;

    /// <summary>TLS settings; null for the system's trust and no client certificate.</summary>
    public InstanceTls? Tls { get; init; }

    /// <summary>The key that the server requires; null for none. Neither logged nor shown.</summary>
    public InstanceKey? ApiKey { get; init; }
}
