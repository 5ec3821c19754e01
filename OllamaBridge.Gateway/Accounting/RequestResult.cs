using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>The result of a request, for its records. A feature that the accounting stage sets and forwarding fills in.</summary>
/// <param name="startedAt">The time of arrival, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
internal sealed class RequestResult(long startedAt)
{
    public long StartedAt { get; } = startedAt;

    /// <summary>The outcome; null if it follows from the status.</summary>
    public RequestOutcome? Outcome { get; set; }

    /// <summary>Whether the client is known to be at fault, although an instance responded with 500 or 501.</summary>
    public bool IsRequestFault { get; set; }

    public Instance? AnsweredBy { get; set; }

    public int Attempts { get; set; }

    public TimeSpan Queued { get; set; }

    /// <summary>The start of the response, in the ticks of <see cref="StartedAt"/>; null if there was none.</summary>
    public long? AnsweredAt { get; set; }

    public long InputTokens { get; set; }

    public long OutputTokens { get; set; }
}
