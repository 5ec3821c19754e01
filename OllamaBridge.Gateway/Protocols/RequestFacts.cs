namespace OllamaBridge.Gateway.Protocols;

internal readonly record struct RequestFacts
{
    public string? Model { get; init; }

    /// <summary>In bytes, before the quote.</summary>
    public long ModelStart { get; init; }

    /// <summary>After the quote; 0 if the name is not in a JSON body.</summary>
    public long ModelEnd { get; init; }

    /// <summary>Whether the names of model and demands occur once, in lower case: Ollama accepts any case, other servers only the exact names.</summary>
    public bool IsPlain { get; init; }

    /// <summary>The exact <c>model</c>, which Ollama's cloud proxy reads, if another spelling gave <see cref="Model"/> another value.</summary>
    public string? ExactModel { get; init; }

    public string? OtherModel { get; init; }

    public string? RemoteHost { get; init; }

    public bool? Stream { get; init; }

    /// <summary>The hash of the conversation's beginning, equal for all its turns; 0 if there is none.</summary>
    public ulong Affinity { get; init; }

    public bool IsLaterTurn { get; init; }

    /// <summary>Without a prompt, messages or an input, a request only loads or unloads a model.</summary>
    public bool HasInput { get; init; }

    public bool HasTools { get; init; }

    public IReadOnlyList<string>? Digests { get; init; }

    public RequestDemands Demands { get; init; }

    /// <summary>An option of the wrong type, or a <c>format</c> that is none: Ollama can only reject it.</summary>
    public bool HasInvalidValue { get; init; }

    public bool HasRemoteMedia { get; init; }

    public string? Modelfile { get; init; }

    public bool IsInsecure { get; init; }

    public string? Fault { get; init; }
}

/// <summary>The amounts that an inference request asks for; null for those that it does not specify.</summary>
internal readonly record struct RequestDemands
{
    /// <summary>In tokens; negative for no limit.</summary>
    public long? Output { get; init; }

    public string? OutputField { get; init; }

    public long? Context { get; init; }

    /// <summary><see cref="TimeSpan.MaxValue"/> for forever.</summary>
    public TimeSpan? KeepAlive { get; init; }

    public int Images { get; init; }

    /// <summary>In bytes.</summary>
    public long ImageBytes { get; init; }
}
