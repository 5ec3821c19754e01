using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class InterruptionRecorder(ResumptionMetrics metrics, TimeProvider time, ILogger<InterruptionRecorder> logger)
{
    public void RecordInterruption(ForwardAttempt attempt, Interruption cause)
    {
        var response = attempt.Call.Response;
        var (operation, instance) = (attempt.Call.Operation.Name, attempt.Lease.Instance.Name);
        (response.Interruptions ??= []).Add(cause);
        if (response.SilentSince is null || attempt.Timeline.Messages > 0)
            response.SilentSince = attempt.Timeline.LastSignAt;
        ResumptionTracing.RecordInterruption(cause);
        if (response.Transcript is { } transcript)
        {
            transcript.EarlierDuration += (long)time.GetElapsedTime(attempt.Timeline.SentAt, attempt.Timeline.LastSignAt).TotalNanoseconds;
            transcript.End = default;
        }

        if (cause is Interruption.Drained or Interruption.Stopped)
        {
            // A withdrawn response is no evidence about its instance and models.
            ResumptionLog.Taken(logger, operation, instance, cause);
            return;
        }

        attempt.Faults.Add(attempt, cause switch
        {
            Interruption.Stalled => InstanceFailure.TimedOut,
            Interruption.ErrorTold => MemoryFailure.IsToldBy(attempt.ErrorLine.Span) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError,
            Interruption.Unreadable => InstanceFailure.BridgeError,
            _ => InstanceFailure.Broken,
        });
        ResumptionLog.Interrupted(logger, operation, instance, cause);
    }

    public void RecordResumed(Interruption cause) => metrics.RecordContinuation(cause, "succeeded");

    public void RecordInterruptedAgain(Interruption cause) => metrics.RecordContinuation(cause, "interrupted");

    public void RecordGivenUp(ForwardAttempt first, Interruption cause, string reason)
    {
        ResumptionLog.GivenUp(logger, first.Call.Operation.Name, first.Lease.Instance.Name, cause, reason);
        metrics.RecordContinuation(cause, "failed");
    }

    public void RecordRefusedPlan(ForwardedCall call, Instance instance, ResumptionPlan plan) =>
        ResumptionLog.Refused(logger, call.Operation.Name, instance.Name, plan.Path);
}
