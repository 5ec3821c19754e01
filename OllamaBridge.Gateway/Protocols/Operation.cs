namespace OllamaBridge.Gateway.Protocols;

internal enum Protocol
{
    Ollama,

    OpenAI,

    Anthropic,
}

internal enum OperationKind
{
    /// <summary>The bridge responds itself, from the snapshot.</summary>
    Inventory,

    /// <summary>Sent to an instance; costs it nothing and takes no slot.</summary>
    Lookup,

    /// <summary>Takes a slot of an instance.</summary>
    Inference,

    Management,

    /// <summary>Not for a shared service: the account of a server's operator, and experiments.</summary>
    Refused,
}

internal enum OperationType
{
    Version,

    Root,

    Account,

    Model,

    Blob,
    Status,
    Tags,
    Ps,
    Show,
    Generate,

    Chat,

    Embed,

    Embeddings,

    Pull,
    Push,
    Create,
    Copy,
    Delete,

    Models,

    TextCompletion,

    Responses,
    Transcription,

    Messages,

    CountTokens,
}

internal enum ModelSource
{
    None,

    /// <summary>In the body's <c>model</c>, or <c>name</c> from older clients of some routes.</summary>
    Body,

    BodySource,

    Form,

    Path,
}

/// <summary>The error message for an unknown model; real servers differ by route (recordings 01, 03, 04).</summary>
internal enum UnknownModelWording
{
    /// <summary><c>model 'x' not found</c></summary>
    Plain,

    /// <summary><c>model 'x:latest' not found</c></summary>
    WithTag,

    /// <summary><c>model "x" not found</c></summary>
    DoubleQuoted,

    /// <summary><c>model "x" not found, try pulling it first</c></summary>
    TryPulling,
}

internal enum StreamEnd
{
    None,

    /// <summary>NDJSON whose last line has <c>"done":true</c>.</summary>
    Done,

    /// <summary>NDJSON whose last line is <c>{"status":"success"}</c>, or an error.</summary>
    Success,

    DoneMarker,

    /// <summary>SSE that ends with the event <c>response.completed</c>, <c>response.incomplete</c> or <c>response.failed</c>.</summary>
    ResponseEvent,

    MessageStop,
}

internal sealed record Operation(OperationType Type, Protocol Protocol, OperationKind Kind)
{
    public string Name { get; } = Type switch
    {
        OperationType.TextCompletion => "text_completion",
        OperationType.CountTokens => "count_tokens",
        _ => Type.ToString().ToLowerInvariant(),
    };

    public ApiRoutes Route { get; init; } = Protocol switch
    {
        Protocol.Ollama => ApiRoutes.Ollama,
        Protocol.OpenAI => ApiRoutes.OpenAI,
        _ => ApiRoutes.Messages,
    };

    public required string[] Methods { get; init; }

    public ModelSource Model { get; init; }

    public ModelNaming Naming { get; init; }

    public UnknownModelWording Wording { get; init; }

    public StreamEnd End { get; init; }

    public bool StreamsByDefault { get; init; }

    public bool NeedsModel { get; init; } = true;

    public bool UnbufferedBody { get; init; }

    public string[] Encodings { get; init; } = [];

    /// <summary>The Go struct into which a real server parses the body, as its error messages name it.</summary>
    public string GoType { get; init; } = "";
}
