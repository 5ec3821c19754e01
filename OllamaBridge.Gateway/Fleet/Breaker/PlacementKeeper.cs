using System.Collections.Immutable;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Derives the restrictions of placements from probe results. Called only by the fleet's owner, before it publishes a snapshot.</summary>
internal sealed class PlacementKeeper(IOptions<HealthOptions> options, TimeProvider time)
{
    private readonly Dictionary<Instance, InstanceStatus> _statuses = [];
    private HashSet<PlacementState> _onCpu = [];

    /// <summary>The placements of each instance are keyed by canonical model name.</summary>
    public void Observe(ImmutableArray<InstanceView> views, IReadOnlyDictionary<Instance, Dictionary<string, PlacementState>> placements)
    {
        var now = time.GetTimestamp();
        foreach (var view in views)
            ObserveStatus(view, placements[view.Instance], now);
        if (_statuses.Count > views.Length)
            foreach (var gone in _statuses.Keys.Except(views.Select(v => v.Instance)).ToArray())
                _statuses.Remove(gone);
        ObserveMemory(views, placements, now);
    }

    private void ObserveStatus(InstanceView view, Dictionary<string, PlacementState> cells, long now)
    {
        var before = _statuses.GetValueOrDefault(view.Instance);
        _statuses[view.Instance] = view.Status;
        // A new instance has to load the model first, which is slow enough, and a gateway that starts has no earlier status.
        var isBack = view.Status == InstanceStatus.Healthy && (before is InstanceStatus.Unhealthy or InstanceStatus.Ejected);
        foreach (var cell in cells.Values)
        {
            if (isBack)
                // No process was there, so streams that it interrupted are not held against the process that is there now.
                cell.MakeGuard()!.Return(now, BreakerRules.Ticks(options.Value.SlowStart, time), isAnother: before == InstanceStatus.Unhealthy);
            if (cell.Guard is not { } guard)
                continue;
            guard.Refresh(now);
            if (!cell.IsResident)
                guard.Unloaded(now);
        }
    }

    private void ObserveMemory(
        ImmutableArray<InstanceView> views, IReadOnlyDictionary<Instance, Dictionary<string, PlacementState>> placements, long now)
    {
        HashSet<string>? inVram = null;
        HashSet<PlacementState> onCpu = [];
        foreach (var view in views)
        {
            if (view.Status != InstanceStatus.Healthy)
                continue;
            foreach (var model in view.Loaded)
            {
                if (!placements[view.Instance].TryGetValue(model.Key, out var cell))
                    continue;
                if (model.IsInVram)
                    cell.WasInVram = true;
                else if (options.Value.QuarantineCpu && (cell.WasInVram || (inVram ??= InVram(views)).Contains(model.Key)))
                    onCpu.Add(cell);
            }
        }

        foreach (var cell in _onCpu)
            if (!onCpu.Contains(cell))
                cell.Guard?.SetOnCpu(false, now);
        foreach (var cell in onCpu)
            cell.MakeGuard()!.SetOnCpu(true, now);
        _onCpu = onCpu;
    }

    private static HashSet<string> InVram(ImmutableArray<InstanceView> views) =>
        [.. views.Where(v => v.IsUsable).SelectMany(v => v.Loaded).Where(m => m.IsInVram).Select(m => m.Key)];
}
