namespace OllamaBridge.Gateway.Protocols;

/// <summary>What one pass over a request's body found out.</summary>
internal readonly record struct RequestFacts
{
    /// <summary>The model as the client wrote it; null where the body has none.</summary>
    public string? Model { get; init; }

    /// <summary>Where the model's name begins in the body, its quote included, in bytes.</summary>
    public long ModelStart { get; init; }

    /// <summary>Where it ends, its quote included; 0 where it stands in no JSON body.</summary>
    public long ModelEnd { get; init; }

    /// <summary>Whether everybody reads the same model and demands out of it: what names them stands there once, and in lower case.</summary>
    /// <remarks>Ollama takes names in any case, other servers to the letter.</remarks>
    public bool IsPlain { get; init; }

    /// <summary>The value of the property that is spelt exactly <c>model</c>, if another spelling gave <see cref="Model"/> another value.</summary>
    /// <remarks>Ollama's cloud proxy reads the exact spelling only, its handlers the last of all spellings.</remarks>
    public string? ExactModel { get; init; }

    /// <summary>The other model that a change names: the <c>from</c> of <c>create</c>, the <c>destination</c> of <c>copy</c>.</summary>
    public string? OtherModel { get; init; }

    /// <summary>The server that a created model is to run on; null for none.</summary>
    public string? RemoteHost { get; init; }

    /// <summary>Whether the client asked for a stream; null where it did not say.</summary>
    public bool? Stream { get; init; }

    /// <summary>Hash of how the conversation begins; 0 where there is none. Equal for all turns of one conversation.</summary>
    public ulong Affinity { get; init; }

    /// <summary>Whether the conversation has gone beyond its user's first message; false where that cannot be told, as of a prompt.</summary>
    public bool IsLaterTurn { get; init; }

    /// <summary>Whether it has a prompt, messages or an input; without them a model is only loaded or unloaded.</summary>
    public bool HasInput { get; init; }

    /// <summary>Whether tools may be called.</summary>
    public bool HasTools { get; init; }

    /// <summary>Digests of the blobs that a <c>create</c> names; null for none.</summary>
    public IReadOnlyList<string>? Digests { get; init; }

    /// <summary>How much the request asks for.</summary>
    public RequestDemands Demands { get; init; }

    /// <summary>Whether an Ollama server can only refuse it: an option of the wrong type, or a <c>format</c> that is none.</summary>
    public bool HasInvalidValue { get; init; }

    /// <summary>Whether it names an image, a video, a sound or a file by an address that a server would have to fetch.</summary>
    public bool HasRemoteMedia { get; init; }

    /// <summary>The Modelfile of an old client's <c>create</c>; null for none.</summary>
    public string? Modelfile { get; init; }

    /// <summary>Whether a <c>pull</c>, <c>push</c> or <c>create</c> asks for connections without certificate checks or encryption.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>What is wrong with the body, as a real server words it; null where nothing is.</summary>
    public string? Fault { get; init; }
}

/// <summary>How much an inference request asks for; null for what it leaves open.</summary>
internal readonly record struct RequestDemands
{
    /// <summary>The most tokens that the answer may have; negative for as many as come.</summary>
    public long? Output { get; init; }

    /// <summary>The field that says so.</summary>
    public string? OutputField { get; init; }

    /// <summary>Tokens of context (<c>num_ctx</c>).</summary>
    public long? Context { get; init; }

    /// <summary>How long the model shall stay in memory; <see cref="TimeSpan.MaxValue"/> for ever.</summary>
    public TimeSpan? KeepAlive { get; init; }

    /// <summary>How many images come along.</summary>
    public int Images { get; init; }

    /// <summary>What they take of the body, in bytes.</summary>
    public long ImageBytes { get; init; }
}
