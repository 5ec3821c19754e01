namespace OllamaBridge.Gateway.Protocols;

/// <summary>The facts from one pass over a request's body.</summary>
internal readonly record struct RequestFacts
{
    /// <summary>The model as the client wrote it; null if the body has none.</summary>
    public string? Model { get; init; }

    /// <summary>The position in the body at which the model's name begins, its quote included, in bytes.</summary>
    public long ModelStart { get; init; }

    /// <summary>The position after the model's name, its quote included; 0 if the name is not in a JSON body.</summary>
    public long ModelEnd { get; init; }

    /// <summary>Whether all servers read the same model and demands: the properties that name them occur once, and in lower case.</summary>
    /// <remarks>Ollama accepts property names in any case, other servers only the exact ones.</remarks>
    public bool IsPlain { get; init; }

    /// <summary>The value of the property that is spelled exactly <c>model</c>, if another spelling gave <see cref="Model"/> another value.</summary>
    /// <remarks>Ollama's cloud proxy reads the exact spelling only, its handlers the last of all spellings.</remarks>
    public string? ExactModel { get; init; }

    /// <summary>The second model of a management request: the <c>from</c> of <c>create</c>, the <c>destination</c> of <c>copy</c>.</summary>
    public string? OtherModel { get; init; }

    /// <summary>The server that will run a created model; null for none.</summary>
    public string? RemoteHost { get; init; }

    /// <summary>Whether the client wants a stream; null if the request does not specify it.</summary>
    public bool? Stream { get; init; }

    /// <summary>The hash of the conversation's beginning; 0 if there is none. Equal for all turns of one conversation.</summary>
    public ulong Affinity { get; init; }

    /// <summary>Whether the conversation continues after its user's first message; false if that is unknown, as for a prompt.</summary>
    public bool IsLaterTurn { get; init; }

    /// <summary>Whether the request has a prompt, messages or an input; without them it only loads or unloads a model.</summary>
    public bool HasInput { get; init; }

    public bool HasTools { get; init; }

    /// <summary>Digests of the blobs that a <c>create</c> names; null for none.</summary>
    public IReadOnlyList<string>? Digests { get; init; }

    public RequestDemands Demands { get; init; }

    /// <summary>Whether an Ollama server can only refuse it: an option of the wrong type, or a <c>format</c> that is none.</summary>
    public bool HasInvalidValue { get; init; }

    /// <summary>Whether it names an image, a video, a sound or a file by an address that a server would have to fetch.</summary>
    public bool HasRemoteMedia { get; init; }

    /// <summary>The Modelfile of an old client's <c>create</c>; null for none.</summary>
    public string? Modelfile { get; init; }

    /// <summary>Whether a <c>pull</c>, <c>push</c> or <c>create</c> asks for connections without certificate checks or encryption.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>The body's error, worded as by a real server; null if it has none.</summary>
    public string? Fault { get; init; }
}

/// <summary>The amounts that an inference request asks for; null for those that it does not specify.</summary>
internal readonly record struct RequestDemands
{
    /// <summary>The most tokens that the response may have; negative for no limit.</summary>
    public long? Output { get; init; }

    /// <summary>The property that sets <see cref="Output"/>.</summary>
    public string? OutputField { get; init; }

    /// <summary>Tokens of context (<c>num_ctx</c>).</summary>
    public long? Context { get; init; }

    /// <summary>How long the model is to stay in memory; <see cref="TimeSpan.MaxValue"/> for forever.</summary>
    public TimeSpan? KeepAlive { get; init; }

    public int Images { get; init; }

    /// <summary>The size of the images in the body, in bytes.</summary>
    public long ImageBytes { get; init; }
}
