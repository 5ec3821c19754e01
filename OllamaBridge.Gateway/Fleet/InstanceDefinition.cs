using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>One server as somebody described it: immutable, compared by value.</summary>
/// <param name="Name">What operators call it; unique in the fleet.</param>
/// <param name="Url">Its base address: scheme, host and port.</param>
/// <param name="Slots">How many requests it may hold at once (its <c>OLLAMA_NUM_PARALLEL</c>).</param>
/// <param name="MaxLoadedModels">How many models its memory holds (its <c>OLLAMA_MAX_LOADED_MODELS</c>); 0: not known, to be observed.</param>
/// <param name="Discovery">Whether it stands for one server, or for all behind its host's name.</param>
internal sealed record InstanceDefinition(
    string Name, Uri Url, int Slots, int MaxLoadedModels, InstanceDiscovery Discovery = InstanceDiscovery.None)
{
    /// <summary>What it serves where it speaks only OpenAI's API; null for an Ollama server.</summary>
    public OpenAIService? OpenAI { get; init; }

    /// <summary>What it is where it is the bridge of another region; null for a server of this one.</summary>
    public PeerBridge? Peer { get; init; }

    /// <summary>What it speaks.</summary>
    public InstanceKind Kind => Peer is not null ? InstanceKind.Bridge : OpenAI is null ? InstanceKind.Ollama : InstanceKind.OpenAI;

    /// <summary>The key that it wants of the bridge; null for none. Neither logged nor shown.</summary>
    public InstanceKey? ApiKey { get; init; }
}
