using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>One server as somebody described it: immutable, compared by value.</summary>
/// <param name="Name">What operators call it; unique in the fleet.</param>
/// <param name="Url">Its base address: scheme, host and port.</param>
/// <param name="Slots">How many requests it may hold at once (its <c>OLLAMA_NUM_PARALLEL</c>).</param>
/// <param name="MaxLoadedModels">How many models its memory holds (its <c>OLLAMA_MAX_LOADED_MODELS</c>); 0: not known, to be observed.</param>
/// <param name="Discovery">Whether it stands for one server, or for all that are found behind its host's name.</param>
internal sealed record InstanceDefinition(
    string Name, Uri Url, int Slots, int MaxLoadedModels, InstanceDiscovery Discovery = InstanceDiscovery.None)
{
    /// <summary>What it serves where it speaks only OpenAI's API; null for an Ollama server.</summary>
    public OpenAIService? OpenAI { get; init; }

    /// <summary>What a Service calls its port where nobody says otherwise.</summary>
    public const string DefaultPortName = "http";

    /// <summary>Of a group: what its Service calls the servers' port.</summary>
    public string PortName { get; init; } = DefaultPortName;

    /// <summary>Whether it was found as one of a group. If it is found no longer, it may finish what it has.</summary>
    public bool IsDiscovered { get; init; }

    /// <summary>
    /// What the next server of the same name will not have: its pod's uid, or its address; null where that cannot be told. What was said or found
    /// out of one is not held against the next.
    /// </summary>
    public string? Incarnation { get; init; }

    /// <summary>Whether it is known to end: it gets nothing new.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>What it is where it is the bridge of another region; null for a server of this one.</summary>
    public PeerBridge? Peer { get; init; }

    /// <summary>What it speaks.</summary>
    public InstanceKind Kind => Peer is not null ? InstanceKind.Bridge : OpenAI is null ? InstanceKind.Ollama : InstanceKind.OpenAI;

    /// <summary>TLS to it; null for the system's trust and no client certificate.</summary>
    public InstanceTls? Tls { get; init; }

    /// <summary>The key that it wants of the bridge; null for none. Neither logged nor shown.</summary>
    public InstanceKey? ApiKey { get; init; }
}
