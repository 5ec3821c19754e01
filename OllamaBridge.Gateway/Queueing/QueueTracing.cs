using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The spans of a request's wait for an instance: <c>queue</c> and <c>decide</c>. Without a listener every method costs one comparison.</summary>
internal static class QueueTracing
{
    // Lower scores do not explain a decision.
    private const int MostScores = 16;

    public static Activity? StartQueue(string model) =>
        BridgeTracing.Source.StartActivity(TelemetryNames.QueueSpan)?.SetTag(TelemetryNames.GenAiRequestModel, model);

    public static void RecordActivation(Activity? queue, ColdTier tier) => queue?.AddEvent(new ActivityEvent(
        TelemetryNames.ActivationEvent, tags: new ActivityTagsCollection { [TelemetryNames.BridgeTier] = tier.Name }));

    public static void RecordDecision(Activity? queue, DateTimeOffset started, ModelView model, InstanceLease lease)
    {
        if (queue is null)
            return;
        using var span = BridgeTracing.Source.StartActivity(TelemetryNames.DecideSpan, ActivityKind.Internal, queue.Context, startTime: started);
        span?.SetTag(TelemetryNames.BridgeInstance, lease.Instance.Name)
            .SetTag(TelemetryNames.BridgeCandidates, model.Usable.Length)
            .SetTag(TelemetryNames.BridgeLoaded, lease.WasLoaded)
            .SetTag(TelemetryNames.BridgeSpill, lease.Spill == SpillReason.None ? null : Labels.Of(lease.Spill))
            .AddEvent(new ActivityEvent(TelemetryNames.ScoresEvent, tags: new ActivityTagsCollection { [TelemetryNames.BridgeScores] = Scheduler.LastScores(MostScores) }));
    }
}
