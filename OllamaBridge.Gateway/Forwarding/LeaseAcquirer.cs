using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class LeaseAcquirer(RequestQueue queue, RetryBudget retries, ConversationRegions homes, TimeProvider time)
{
    // Bodies with images or audio are large in relation to their tokens. The estimate ends at a usual context length.
    private const long MaxInputEstimate = 32_768;
    private const int BytesPerToken = 4;

    /// <param name="preferred">Null for any instance.</param>
    /// <param name="allowFallback">Whether another model can serve the request at once; null if it waits for this one.</param>
    public async ValueTask<LeaseResult> AcquireAsync(
        ForwardedCall call, HashSet<Instance>? tried, InstanceFailure? lastFailure, CancellationToken gone, Instance? preferred = null, Func<bool>? allowFallback = null)
    {
        using var span = QueueTracing.StartQueue(call.Model.Key);
        var hasBegun = call.Response.Transcript is { HasBegun: true };
        var home = call.Facts.IsLaterTurn ? homes.Find(call.Facts.Affinity, call.Model.Key) : null;
        var need = new LeaseRequest
        {
            Model = new ModelSelector(call.Model.Key, call.Model.Part, hasBegun ? call.Response.Digest : default),
            NeedsSlot = call.Operation.Kind == OperationKind.Inference && !call.Target.IsUnload,
            Owner = new LeaseOwner
            {
                Tenant = call.Tenant,
                Priority = call.Wait.Priority,
                InputTokens = Math.Min(call.Body?.Length / BytesPerToken ?? 0, MaxInputEstimate),
                IsCharged = call.Wait.Charge.IsMade,
            },
            Conversation = new ConversationHints(call.Facts.Affinity, home, Stays: home is null && call.Facts.IsLaterTurn),
            Instances = new InstanceRules { Only = call.Pinned ?? preferred, Tried = tried, NoRetry = retries.IsEmpty },
            Wait = new WaitRules { Deadline = hasBegun ? 0 : call.Wait.Deadline, AllowFallback = allowFallback, Ticket = call.Wait.Ticket, Span = span },
            Bytes = call.Body?.Length ?? 0,
        };
        var since = time.GetTimestamp();
        try
        {
            var result = await queue.AcquireAsync(need, gone);
            if (result.Refusal == LeaseRefusal.AllTried && lastFailure is (InstanceFailure.Refused or InstanceFailure.Drained))
            {
                // No instance has processed the request: the first instance that is available again gets it, including those that refused. A response
                // that has begun has precedence over the queue.
                result = await queue.AcquireAsync(need with { Instances = need.Instances with { Tried = hasBegun ? [] : null } }, gone);
            }

            call.Wait.Queue = result.Queue;
            if (result.Charge.IsMade)
                call.Wait.Charge = result.Charge;
            if (result.Lease is { } lease)
                RememberHome(call, lease, home);
            else
                span?.SetTag(TelemetryNames.BridgeRefusal, Labels.Of(result.Refusal)).SetStatus(ActivityStatusCode.Error);
            return result;
        }
        finally
        {
            call.Result.Queued += time.GetElapsedTime(since);
        }
    }

    private void RememberHome(ForwardedCall call, InstanceLease lease, string? home)
    {
        if (lease.Spill != SpillReason.None && call.Facts.Affinity != 0)
            homes.Note(call.Facts.Affinity, call.Model.Key, lease.Instance.Name);
        else if (home is not null)
            homes.Forget(call.Facts.Affinity, call.Model.Key);
    }
}
