using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The state of a response over all attempts that contribute to it.</summary>
internal sealed class ResponseState
{
    /// <summary>The part of a streamed response that the client has received; null if that is not recorded.</summary>
    public ResponseTranscript? Transcript { get; set; }

    /// <summary>The model's digest on the instance of the last unmodified attempt; only that digest may resume the response.</summary>
    public DigestPin Digest { get; set; }

    /// <summary>The time of the first attempt, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; null before it.</summary>
    public long? FirstSentAt { get; set; }

    /// <summary>The time of the last bytes from the last instance that sent some, in the same ticks; null before the first interruption.</summary>
    public long? SilentSince { get; set; }

    /// <summary>Whether an OpenAI stream must end with its usage; read when a stream must be resumed.</summary>
    public bool WantsUsage { get; set; }

    /// <summary>The causes of interruptions after which the response was resumed; null for none.</summary>
    public List<Interruption>? Interruptions { get; set; }

    /// <summary>
    /// Whether it was moved from an instance that served other routes, but not the check. Happens at most once: the check may have waited for a
    /// slot.
    /// </summary>
    public bool WasSuspected { get; set; }
}
