using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Records the interruptions of responses, and the results of their resumptions.</summary>
internal sealed class InterruptionRecorder(ResumptionMetrics metrics, TimeProvider time, ILogger<InterruptionRecorder> logger)
{
    /// <summary>Records that <paramref name="attempt"/> was interrupted, in the response's state and as evidence about its instance.</summary>
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

    /// <summary>Records that another attempt completed the response.</summary>
    public void RecordResumed(Interruption cause) => metrics.RecordContinuation(cause, "succeeded");

    /// <summary>Records that another attempt was interrupted, too.</summary>
    public void RecordInterruptedAgain(Interruption cause) => metrics.RecordContinuation(cause, "interrupted");

    /// <summary>Records that the response of <paramref name="first"/> ends with an error.</summary>
    public void RecordGivenUp(ForwardAttempt first, Interruption cause, string reason)
    {
        ResumptionLog.GivenUp(logger, first.Call.Operation.Name, first.Lease.Instance.Name, cause, reason);
        metrics.RecordContinuation(cause, "failed");
    }

    /// <summary>Records that an instance did not accept a plan for the resumption.</summary>
    public void RecordRefusedPlan(ForwardedCall call, Instance instance, ResumptionPlan plan) =>
        ResumptionLog.Refused(logger, call.Operation.Name, instance.Name, plan.Path);
}
