namespace OllamaBridge.Simulator;

/// <summary>One way in which a server shall fail. The first fault of a <see cref="FaultPlan"/> that matches a request is applied to it.</summary>
public sealed record Fault
{
    /// <summary>What happens.</summary>
    public required FaultKind Kind { get; init; }

    /// <summary>Prefix of the request's path ("/api/chat"); null means every inference route.</summary>
    public string? Path { get; init; }

    /// <summary>Name of the model asked for (":latest" may be left out); null means every model.</summary>
    public string? Model { get; init; }

    /// <summary>How many requests it strikes before it is gone; null means until the plan is cleared.</summary>
    public int? Times { get; init; }

    /// <summary>How many tokens (lines of a stream that carry text) are sent before it strikes.</summary>
    public int AfterTokens { get; init; }

    /// <summary>How long <see cref="FaultKind.Stall"/> and <see cref="FaultKind.SlowFirstToken"/> wait, zero or less for ever; what a token takes more.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The status code of <see cref="FaultKind.Status"/>; 500 when left out.</summary>
    public int Status { get; init; }

    /// <summary>Seconds in the header <c>Retry-After</c> of <see cref="FaultKind.Status"/>; null sends none, as Ollama does.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The HTML page that <see cref="FaultKind.Status"/> sends as an edge or a proxy in front of the server does; null for the server's own error.</summary>
    public string? Page { get; init; }

    /// <summary>The error text of <see cref="FaultKind.Status"/> and <see cref="FaultKind.ErrorLine"/>; null means Ollama's own wording.</summary>
    public string? Message { get; init; }
}
