using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Admin;

internal static class DrainWait
{
    // Time for moving streams at the deadline, so that a stop of the instance afterwards interrupts nothing.
    private static readonly TimeSpan MoveTime = TimeSpan.FromSeconds(1);

    // Exchanges until another gateway knows of the drain and this gateway knows of the other's last requests.
    private const int Exchanges = 5;

    /// <summary>Waits until the instance is empty, the drain has ended, or <paramref name="deadline"/> and the time for moving streams have passed.
    /// <paramref name="interval"/> is the time between exchanges with other gateways. Cancellation does not end the drain.</summary>
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
