using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Parallelism;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding.Parallelism;

/// <summary>Limits the slots of a model on an instance to the number of requests that the instance runs at once.</summary>
internal sealed class ParallelismLearner
{
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(100);
    private readonly IOptions<ParallelismOptions> _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ParallelismLearner> _logger;

    public ParallelismLearner(
        IFleet fleet, IOptions<ParallelismOptions> options, PlacementMetrics metrics, TimeProvider time, ILogger<ParallelismLearner> logger)
    {
        _options = options;
        _time = time;
        _logger = logger;
        metrics.ObserveParallelism(() => Limits(fleet.Current, time.GetTimestamp()));
    }

    public void Add(InstanceLease lease, in OverlapSample sample)
    {
        if (!_options.Value.Learn || lease.Entry.Guard is not { } guard || lease.Instance.IsPeer)
            return;
        if (lease.Placement.State.Overlaps.Add(sample, (long)(ShortestWait.TotalSeconds * _time.TimestampFrequency)) is not { } parallel || parallel >= lease.Instance.Slots)
            return;
        var now = _time.GetTimestamp();
        if (guard.Limit(parallel, now + (long)(_options.Value.Relearn.TotalSeconds * _time.TimestampFrequency), now))
            BreakerLog.Limited(_logger, lease.Placement.State.Model.Key, lease.Instance.Name, parallel, lease.Instance.Slots, _options.Value.Relearn.TotalMinutes);
    }

    private static List<(string Instance, string Model, int Parallel)> Limits(FleetSnapshot fleet, long now)
    {
        var limits = new List<(string, string, int)>();
        foreach (var view in fleet.Instances)
            foreach (var placement in view.Instance.Placements)
                if (placement.Guard?.LimitAt(now) is > 0 and var limit)
                    limits.Add((view.Instance.Name, placement.Model.Key, limit));
        return limits;
    }
}
