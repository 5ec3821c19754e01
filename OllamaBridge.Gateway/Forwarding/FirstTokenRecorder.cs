using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Records times to the first token: for metrics, and for the estimates that hedging, scheduling and liveness checks use.</summary>
internal sealed class FirstTokenRecorder(FirstTokenTimes firstTokens, LoadTimes loadTimes, ForwardingMetrics metrics, TimeProvider time)
{
    public void RecordFirstToken(ForwardAttempt attempt)
    {
        var call = attempt.Call;
        // An unload generates no token.
        if (call.Target.IsUnload)
            return;
        var elapsed = time.GetElapsedTime(attempt.Timeline.SentAt);
        AttemptTracing.RecordFirstByte(attempt);
        metrics.RecordFirstToken(Labels.OfGenAi(call.Operation), call.Model.Key, elapsed);
        if (!attempt.Lease.WasLoaded)
        {
            if (attempt.TryLearnLoad())
                loadTimes.Add(call.Model.Key, ModelSize.Of(attempt.Lease.Placement.View, call.Model.Key), elapsed);
            return;
        }

        attempt.Lease.Placement.State.AddTimeToFirstToken(elapsed.TotalSeconds, call.Body?.Length ?? 0);
        firstTokens.Add(call.Model.Key, isWhole: false, elapsed);
    }

    public void RecordWhole(ForwardAttempt attempt)
    {
        if (attempt.Lease.WasLoaded && !attempt.Call.Target.IsUnload)
            firstTokens.Add(attempt.Call.Model.Key, isWhole: true, time.GetElapsedTime(attempt.Timeline.SentAt));
    }
}
