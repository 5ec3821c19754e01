namespace OllamaBridge.Gateway.Protocols;

/// <summary>The API protocol of a route.</summary>
internal enum Protocol
{
    /// <summary>Ollama's own: <c>/api/…</c>.</summary>
    Ollama,

    /// <summary>OpenAI's: <c>/v1/…</c>.</summary>
    OpenAI,

    /// <summary>Anthropic's: <c>/v1/messages</c>.</summary>
    Anthropic,
}

/// <summary>How the bridge handles an operation.</summary>
internal enum OperationKind
{
    /// <summary>The bridge responds itself, from the snapshot.</summary>
    Inventory,

    /// <summary>Sent to an instance; costs it nothing and takes no slot.</summary>
    Lookup,

    /// <summary>Takes a slot of an instance.</summary>
    Inference,

    /// <summary>Changes the models on disk.</summary>
    Management,

    /// <summary>Not for a shared service: the account of a server's operator, and experiments.</summary>
    Refused,
}

/// <summary>What an operation does. Operations of several protocols may have the same type.</summary>
internal enum OperationType
{
    Version,

    /// <summary>The server's start page.</summary>
    Root,

    /// <summary>The account of a server's operator, and experiments.</summary>
    Account,

    /// <summary>One model in OpenAI's list.</summary>
    Model,

    Blob,
    Status,
    Tags,
    Ps,
    Show,
    Generate,

    /// <summary>A conversation, in Ollama's or OpenAI's protocol.</summary>
    Chat,

    Embed,

    /// <summary>Embeddings, in OpenAI's protocol or Ollama's older form.</summary>
    Embeddings,

    Pull,
    Push,
    Create,
    Copy,
    Delete,

    /// <summary>OpenAI's or Anthropic's list of models.</summary>
    Models,

    /// <summary>A completion of a prompt in OpenAI's protocol.</summary>
    TextCompletion,

    Responses,
    Transcription,

    /// <summary>A conversation in Anthropic's protocol.</summary>
    Messages,

    CountTokens,
}

/// <summary>The place of the model's name in a request.</summary>
internal enum ModelSource
{
    /// <summary>The operation has no model.</summary>
    None,

    /// <summary>In the body's <c>model</c>, or <c>name</c> from older clients of some routes.</summary>
    Body,

    /// <summary>In the body's <c>source</c> (copy).</summary>
    BodySource,

    /// <summary>In a form field <c>model</c> (<c>multipart/form-data</c>).</summary>
    Form,

    /// <summary>In the rest of the path.</summary>
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

/// <summary>The end marker of an operation's streamed responses.</summary>
internal enum StreamEnd
{
    /// <summary>The response is never streamed.</summary>
    None,

    /// <summary>NDJSON whose last line has <c>"done":true</c>.</summary>
    Done,

    /// <summary>NDJSON whose last line is <c>{"status":"success"}</c>, or an error.</summary>
    Success,

    /// <summary>SSE that ends with <c>data: [DONE]</c>.</summary>
    DoneMarker,

    /// <summary>SSE that ends with the event <c>response.completed</c>, <c>response.incomplete</c> or <c>response.failed</c>.</summary>
    ResponseEvent,

    /// <summary>SSE that ends with the event <c>message_stop</c>.</summary>
    MessageStop,
}

/// <summary>One operation of an API.</summary>
internal sealed record Operation(OperationType Type, Protocol Protocol, OperationKind Kind)
{
    /// <summary>The name in logs, metrics and traces.</summary>
    public string Name { get; } = Type switch
    {
        OperationType.TextCompletion => "text_completion",
        OperationType.CountTokens => "count_tokens",
        _ => Type.ToString().ToLowerInvariant(),
    };

    /// <summary>The group of routes that a server must support to serve the operation.</summary>
    public ApiRoutes Route { get; init; } = Protocol switch
    {
        Protocol.Ollama => ApiRoutes.Ollama,
        Protocol.OpenAI => ApiRoutes.OpenAI,
        _ => ApiRoutes.Messages,
    };

    /// <summary>The methods that a server accepts, in the order of its <c>Allow</c> header.</summary>
    public required string[] Methods { get; init; }

    public ModelSource Model { get; init; }

    /// <summary>How the route parses the model's name.</summary>
    public ModelNaming Naming { get; init; }

    public UnknownModelWording Wording { get; init; }

    public StreamEnd End { get; init; }

    /// <summary>Whether the response is streamed if the request does not specify it.</summary>
    public bool StreamsByDefault { get; init; }

    /// <summary>Whether the bridge reports a missing model before it sends the request to an instance.</summary>
    public bool NeedsModel { get; init; } = true;

    /// <summary>Whether the body may have many GB and is forwarded as it arrives.</summary>
    public bool UnbufferedBody { get; init; }

    /// <summary>The content encodings of requests that an Ollama server decodes on this route.</summary>
    public string[] Encodings { get; init; } = [];

    /// <summary>The Go struct into which a real server parses the body, as its error messages name it.</summary>
    public string GoType { get; init; } = "";
}
