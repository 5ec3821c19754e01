namespace OllamaBridge.Simulator;

/// <summary>One simulated failure. A request gets the first fault of a <see cref="FaultPlan"/> that matches it.</summary>
public sealed record Fault
{
    /// <summary>The kind of failure.</summary>
    public required FaultKind Kind { get; init; }

    /// <summary>Prefix of the request's path ("/api/chat"); null means every inference route.</summary>
    public string? Path { get; init; }

    /// <summary>Name of the requested model (":latest" may be omitted); null means every model.</summary>
    public string? Model { get; init; }

    /// <summary>The number of requests that it applies to; null means all until the plan is cleared.</summary>
    public int? Times { get; init; }

    /// <summary>The number of tokens (lines of a stream with text) before it applies.</summary>
    public int AfterTokens { get; init; }

    /// <summary>
    /// The delay of <see cref="FaultKind.Stall"/> and <see cref="FaultKind.SlowFirstToken"/>, zero or less for ever; the extra time of each token.
    /// </summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The status code of <see cref="FaultKind.Status"/>; 0 means 500.</summary>
    public int Status { get; init; }

    /// <summary>Seconds in the header <c>Retry-After</c> of <see cref="FaultKind.Status"/>; null sends none, as Ollama does.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The HTML page of <see cref="FaultKind.Status"/>, as a proxy in front of the server sends it; null for the server's own error.</summary>
    public string? Page { get; init; }

    /// <summary>The error text of <see cref="FaultKind.Status"/> and <see cref="FaultKind.ErrorLine"/>; null means Ollama's own wording.</summary>
    public string? Message { get; init; }
}
