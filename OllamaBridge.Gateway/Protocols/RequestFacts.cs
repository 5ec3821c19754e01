namespace OllamaBridge.Gateway.Protocols;

/// <summary>What one pass over a request's body found out.</summary>
internal readonly record struct RequestFacts
{
    /// <summary>The model as the client wrote it; null where the body has none.</summary>
    public string? Model { get; init; }

    /// <summary>Whether the client asked for a stream; null where it did not say.</summary>
    public bool? Stream { get; init; }

    /// <summary>Hash of how the conversation begins; 0 where there is none. Equal for all turns of one conversation.</summary>
    public ulong Affinity { get; init; }

    /// <summary>Digests of the blobs that a <c>create</c> names; null for none.</summary>
    public IReadOnlyList<string>? Digests { get; init; }

    /// <summary>What is wrong with the body, as a real server words it; null where nothing is.</summary>
    public string? Fault { get; init; }
}
