namespace OllamaBridge.Gateway.Protocols;

/// <summary>Whose way of speaking a route belongs to.</summary>
internal enum Protocol
{
    /// <summary>Ollama's own: <c>/api/…</c>.</summary>
    Ollama,

    /// <summary>OpenAI's: <c>/v1/…</c>.</summary>
    OpenAI,

    /// <summary>Anthropic's: <c>/v1/messages</c>.</summary>
    Anthropic,
}

/// <summary>What the bridge does with an operation.</summary>
internal enum OperationKind
{
    /// <summary>Answered by the bridge itself out of the snapshot.</summary>
    Inventory,

    /// <summary>Asked of an instance, costs it nothing, takes no slot.</summary>
    Lookup,

    /// <summary>Occupies a slot of an instance.</summary>
    Inference,

    /// <summary>Changes the models on disk.</summary>
    Management,

    /// <summary>Not for a shared service: the account of whoever runs a server, and experiments.</summary>
    Refused,
}

/// <summary>Where the model's name stands.</summary>
internal enum ModelSource
{
    /// <summary>The operation has none.</summary>
    None,

    /// <summary>In the body: <c>model</c>, for older clients of some routes <c>name</c>.</summary>
    Body,

    /// <summary>In the body's <c>source</c> (copy).</summary>
    BodySource,

    /// <summary>In a form field <c>model</c> (<c>multipart/form-data</c>).</summary>
    Form,

    /// <summary>The rest of the path.</summary>
    Path,
}

/// <summary>How a missing model is worded: real servers differ by route (recordings 01, 03, 04).</summary>
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

/// <summary>How a streamed answer of an operation shows that it is whole.</summary>
internal enum StreamEnd
{
    /// <summary>It is never streamed.</summary>
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

/// <summary>One thing that a client can ask for.</summary>
internal sealed record Operation(string Name, Protocol Protocol, OperationKind Kind)
{
    /// <summary>The group of routes that a server must have to serve it.</summary>
    public ApiRoutes Route { get; init; } = Protocol switch
    {
        Protocol.Ollama => ApiRoutes.Ollama,
        Protocol.OpenAI => ApiRoutes.OpenAI,
        _ => ApiRoutes.Messages,
    };

    /// <summary>The methods that a server takes, in the order in which it lists them in <c>Allow</c>.</summary>
    public required string[] Methods { get; init; }

    /// <summary>Where the model's name stands.</summary>
    public ModelSource Model { get; init; }

    /// <summary>How the route reads the model's name.</summary>
    public Fleet.ModelNaming Naming { get; init; }

    /// <summary>How an unknown model is worded.</summary>
    public UnknownModelWording Wording { get; init; }

    /// <summary>How a streamed answer ends.</summary>
    public StreamEnd End { get; init; }

    /// <summary>Whether the answer streams where the request does not say.</summary>
    public bool StreamsByDefault { get; init; }

    /// <summary>Whether a model's absence is to be found out before an instance is asked.</summary>
    public bool NeedsModel { get; init; } = true;

    /// <summary>Whether the body may be of many GB and is passed on as it comes.</summary>
    public bool UnbufferedBody { get; init; }

    /// <summary>The content encodings of requests that an Ollama server decodes on this route.</summary>
    public string[] Encodings { get; init; } = [];

    /// <summary>The Go struct that a real server reads the body into, as its error messages name it.</summary>
    public string GoType { get; init; } = "";
}
