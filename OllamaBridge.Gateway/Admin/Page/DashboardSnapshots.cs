using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin.Page;

internal sealed class DashboardSnapshots(IFleet fleet, RequestQueue queue, ActivationService activation, RecentFigures recent, TimeProvider time)
{
    public DashboardSnapshot Take()
    {
        // One snapshot, so that the tiers are consistent with the instances.
        var now = fleet.Current;
        return new DashboardSnapshot(
            time.GetWallClock(),
            Stopping: false,
            [.. now.Instances.Select(view => Describe(now, view))],
            [.. activation.Controllers.Select(k => TierReport.Of(k, queue, now))],
            new DashboardQueue(
                queue.Count,
                queue.Limit,
                [.. QueueDescription.Lines(queue.Describe()).OrderByDescending(l => l.Waiting).Select(l => new DashboardLine(l.Model, l.Tenant, l.Waiting))]),
            recent.Figures(),
            recent.Troubles());
    }

    private DashboardInstance Describe(FleetSnapshot snapshot, InstanceView view)
    {
        var remarks = InstanceRemarks.Of(snapshot, view);
        var reason = InstanceRemarks.Reason(snapshot, view, remarks);
        return new DashboardInstance(
            view.Instance.Name,
            view.Instance.Url,
            view.Instance.Kind == InstanceKind.Ollama ? null : Labels.Of(view.Instance.Kind),
            Labels.Of(view.Status),
            view.Draining,
            view.DrainDeadline,
            view.Instance.SlotsUsed + view.Instance.UsedElsewhere,
            view.Instance.Slots,
            [.. view.Loaded.Select(m => new DashboardModel(m.Name, m.Size, m.IsInVram))],
            ConditionReport.Of(view.Instance, time),
            reason,
            remarks.Where(r => r != reason).ToArray() is { Length: > 0 } more ? more : null);
    }
}
