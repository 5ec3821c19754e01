using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Waits until an instance that is emptied is empty, or its time is over.</summary>
internal static class DrainWait
{
    // What is moved at the deadline itself leaves within this; whoever then stops the instance cuts nothing.
    private static readonly TimeSpan MoveTime = TimeSpan.FromSeconds(1);

    // Until another gateway has heard of the drain and what it still sent there has been heard of here, some exchanges pass.
    private const int Exchanges = 5;

    /// <summary>Waits.</summary>
    /// <param name="fleet">The fleet.</param>
    /// <param name="name">The instance's name.</param>
    /// <param name="deadline">When it ends at the latest, but for the moment that moving takes.</param>
    /// <param name="interval">Time between two exchanges with other gateways.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Whoever asked has gone. The drain stays.</param>
    public static async Task RunAsync(
        IFleet fleet, string name, Moment deadline, TimeSpan interval, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Exchanges * interval, time);
        for (var emptyBefore = false; time.GetMoment() < deadline + MoveTime;)
        {
            var view = fleet.Current.Instances.FirstOrDefault(v => string.Equals(v.Instance.Name, name, StringComparison.OrdinalIgnoreCase));
            if (view is not { Draining: true })
                return;
            var isEmpty = view.Instance is { SlotsUsed: 0, UsedElsewhere: 0 };
            if (isEmpty && emptyBefore)
                return;
            emptyBefore = isEmpty;
            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }
}
