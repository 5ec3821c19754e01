using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Parallelism;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Records attempts: in metrics and spans, and for the estimates of service times and parallelism.</summary>
internal sealed class AttemptRecorder(ForwardingMetrics metrics, ParallelismLearner parallelism, RequestQueue queue, TimeProvider time, ILogger<AttemptRecorder> logger)
{
    public void Begin(ForwardedCall call, InstanceLease lease)
    {
        call.Result.Attempts++;
        call.Response.FirstSentAt ??= time.GetTimestamp();
        if (call.Response.Transcript is not { HasBegun: true })
            call.Response.Digest = DigestPin.Of(lease.Placement);
        if (!lease.WasLoaded && call.Model.Key.Length > 0 && call.Operation.Kind == OperationKind.Inference)
            metrics.RecordLoad(call.Model.Key, lease.Instance.Name);
        if (lease.Spill != SpillReason.None)
            metrics.RecordSpillover(lease.Instance.Name, lease.Spill);
    }

    public void RecordStaleConnection(ForwardAttempt attempt)
    {
        FaultLog.StaleConnection(logger, attempt.Call.Operation.Name, attempt.Lease.Instance.Name);
        metrics.RecordFault(Fault.Bridge, InstanceFailure.StaleConnection);
        metrics.RecordRetry(InstanceFailure.StaleConnection);
    }

    /// <summary>Must be called before the lease is released.</summary>
    public void End(ForwardAttempt attempt)
    {
        if (attempt.Overlap() is { } overlap)
            parallelism.Add(attempt.Lease, overlap);
        AttemptTracing.EndAttempt(attempt);
        attempt.Watcher?.Dispose();
        // Service times predict free slots. Requests without a slot and overtaken attempts do not count.
        if (attempt.Call.Operation.Kind == OperationKind.Inference && !attempt.IsOvertaken)
            queue.RecordService(time.GetElapsedTime(attempt.Timeline.SentAt), attempt.Call.Wait.Queue);
    }
}
