using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>Makes what the page shows of what the gateway knows.</summary>
internal sealed class FleetPictures(IFleet fleet, RequestQueue queue, RecentFigures recent, TimeProvider time)
{
    /// <summary>The fleet as it is now.</summary>
    public FleetPicture Take() => new(
        time.GetUtcNow(),
        Stopping: false,
        [.. fleet.Current.Instances.Select(Describe)],
        new PictureQueue(
            queue.Count,
            queue.Limit,
            [.. QueueDescription.Lines(queue.Describe()).OrderByDescending(l => l.Waiting).Select(l => new PictureLine(l.Model, l.Tenant, l.Waiting))]),
        recent.Figures(),
        recent.Troubles());

    private PictureInstance Describe(InstanceView view) => new(
        view.Instance.Name,
        view.Instance.Url,
        Labels.Of(view.Status),
        view.Draining,
        view.DrainDeadline,
        view.Instance.SlotsUsed + view.Instance.UsedElsewhere,
        view.Instance.Slots,
        [.. view.Loaded.Select(m => new PictureModel(m.Name, m.Size, m.IsInVram))],
        ConditionReport.Of(view.Instance, time),
        view.LastError);
}
