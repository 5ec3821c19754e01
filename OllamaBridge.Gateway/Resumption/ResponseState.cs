using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

internal sealed class ResponseState
{
    public ResponseTranscript? Transcript { get; set; }

    /// <summary>The digest of the last unmodified attempt; only a model with that digest may resume the response.</summary>
    public DigestPin Digest { get; set; }

    /// <summary>In <see cref="TimeProvider.GetTimestamp"/>'s ticks; null before the first attempt.</summary>
    public long? FirstSentAt { get; set; }

    /// <summary>The time of the last bytes, in the same ticks; null before the first interruption.</summary>
    public long? SilentSince { get; set; }

    public bool WantsUsage { get; set; }

    public List<Interruption>? Interruptions { get; set; }

    /// <summary>Whether the response was moved from an instance that served other routes, but not the check: once at most, as the check may wait.</summary>
    public bool WasSuspected { get; set; }
}
