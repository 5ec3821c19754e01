using OpenTelemetry.Trace;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Samples the first traces of each second, up to a limit: at low load all requests, at high load a number of limited cost.</summary>
internal sealed class TraceRateSampler : Sampler
{
    private static readonly SamplingResult Taken = new(SamplingDecision.RecordAndSample);
    private static readonly SamplingResult Left = new(SamplingDecision.Drop);
    private readonly int _perSecond;
    private readonly TimeProvider _time;
    // The current second and its count in one word, for lock-free updates.
    private long _state;

    public TraceRateSampler(int perSecond, TimeProvider time)
    {
        (_perSecond, _time) = (perSecond, time);
        Description = $"TraceRateSampler{{{perSecond}/s}}";
    }

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
