using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>Makes the pictures of the fleet page from the gateway's state.</summary>
internal sealed class FleetPictures(IFleet fleet, RequestQueue queue, ActivationService activation, RecentFigures recent, TimeProvider time)
{
    /// <summary>Returns the current picture.</summary>
    public FleetPicture Take()
    {
        // One snapshot, so that the tiers are consistent with the instances.
        var now = fleet.Current;
        return new FleetPicture(
            time.GetWallClock(),
            Stopping: false,
            [.. now.Instances.Select(view => Describe(now, view))],
            [.. activation.Keepers.Select(k => TierReport.Of(k, queue, now))],
            new PictureQueue(
                queue.Count,
                queue.Limit,
                [.. QueueDescription.Lines(queue.Describe()).OrderByDescending(l => l.Waiting).Select(l => new PictureLine(l.Model, l.Tenant, l.Waiting))]),
            recent.Figures(),
            recent.Troubles());
    }

    private PictureInstance Describe(FleetSnapshot snapshot, InstanceView view)
    {
        var remarks = InstanceRemarks.Of(snapshot, view);
        var reason = InstanceRemarks.Reason(snapshot, view, remarks);
        return new PictureInstance(
            view.Instance.Name,
            view.Instance.Url,
            view.Instance.Kind == InstanceKind.Ollama ? null : Labels.Of(view.Instance.Kind),
            Labels.Of(view.Status),
            view.Draining,
            view.DrainDeadline,
            view.Instance.SlotsUsed + view.Instance.UsedElsewhere,
            view.Instance.Slots,
            [.. view.Loaded.Select(m => new PictureModel(m.Name, m.Size, m.IsInVram))],
            ConditionReport.Of(view.Instance, time),
            reason,
            remarks.Where(r => r != reason).ToArray() is { Length: > 0 } more ? more : null);
    }
}
