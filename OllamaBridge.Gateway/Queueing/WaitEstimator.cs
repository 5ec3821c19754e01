using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class WaitEstimator(IFleet fleet)
{
    // Seconds. Longer estimates are cut to this.
    private const double MaxEstimate = 86_400;
    private readonly Ewma _serviceSeconds = new(0.1);

    public void RecordService(TimeSpan duration, ModelQueue? queue)
    {
        _serviceSeconds.Add(duration.TotalSeconds);
        queue?.Service.Add(duration.TotalSeconds);
    }

    /// <summary>Estimates the wait at a position: the position times the recent service time, divided by the slots of the model's instances.</summary>
    public TimeSpan? WaitAt(ModelQueue queue, int position)
    {
        var service = double.IsNaN(queue.Service.Value) ? _serviceSeconds.Value : queue.Service.Value;
        var slots = 0;
        if (queue.Key.Find(fleet.Current) is { } model)
            foreach (var placement in model.Usable)
                slots += placement.Instance.IsPeer ? 0 : placement.Instance.Slots;
        return double.IsNaN(service) || slots == 0 ? null : TimeSpan.FromSeconds(Math.Min(service * position / slots, MaxEstimate));
    }

    /// <summary>The time until a place is free: waiting requests times the recent service time, divided by the fleet's slots; 1 to 60 s.</summary>
    public TimeSpan RetryAfter(int waiting)
    {
        var slots = 0;
        foreach (var instance in fleet.Current.Instances)
            if (instance is { IsUsable: true, Instance.IsPeer: false })
                slots += instance.Instance.Slots;
        var service = _serviceSeconds.Value;
        var seconds = double.IsNaN(service) || slots == 0 ? 1 : service * (waiting + 1) / slots;
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(seconds), 1, 60));
    }
}
