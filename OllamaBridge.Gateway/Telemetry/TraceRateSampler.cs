using OpenTelemetry.Trace;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>
/// Takes the first so many traces of each second. A fleet that is little used, or looked at by its developer, is traced as a whole; one
/// under load pays for what somebody can look at.
/// </summary>
internal sealed class TraceRateSampler : Sampler
{
    private static readonly SamplingResult Taken = new(SamplingDecision.RecordAndSample);
    private static readonly SamplingResult Left = new(SamplingDecision.Drop);
    private readonly int _perSecond;
    private readonly TimeProvider _time;
    // The second under way and how many it has had: both in one word, so that many may ask at once.
    private long _state;

    /// <summary>Makes one.</summary>
    /// <param name="perSecond">Traces a second, at most.</param>
    /// <param name="time">The clock.</param>
    public TraceRateSampler(int perSecond, TimeProvider time)
    {
        (_perSecond, _time) = (perSecond, time);
        Description = $"TraceRateSampler{{{perSecond}/s}}";
    }

    /// <inheritdoc/>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        while (true)
        {
            var seen = Volatile.Read(ref _state);
            var second = (uint)(_time.GetTimestamp() / _time.TimestampFrequency);
            var taken = (uint)(seen >> 32) == second ? (int)seen : 0;
            if (taken >= _perSecond)
                return Left;
            if (Interlocked.CompareExchange(ref _state, ((long)second << 32) | (uint)(taken + 1), seen) == seen)
                return Taken;
        }
    }
}
