using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Admin;

public sealed class DrainWaitTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Look = 5 * Interval;
    private readonly FakeTimeProvider _clock = new();
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i", slots: 4);

    public DrainWaitTests() => _fleet.Publish(_builder.Change("i", v => v with { Draining = true }).Build());

    [Fact]
    public async Task Run_EmptyOnce_WaitsForSecondCheck()
    {
        var waiting = Wait(seconds: 60);
        Assert.False(waiting.IsCompleted);
        // Another gateway has not yet applied the drain.
        _builder["i"].UsedElsewhere = 1;
        await AdvanceAsync(waiting, 4);
        Assert.False(waiting.IsCompleted);
        _builder["i"].UsedElsewhere = 0;
        await AdvanceAsync(waiting, 2);
        await waiting;
    }

    [Fact]
    public async Task Run_NeverEmpty_EndsOneSecondAfterDeadline()
    {
        Assert.True(_builder["i"].TryTakeSlot());
        var waiting = Wait(seconds: 3);
        await AdvanceAsync(waiting, 15); // 3.75 s
        Assert.False(waiting.IsCompleted);
        await AdvanceAsync(waiting, 1);
        await waiting;
    }

    [Fact]
    public async Task Run_DrainCancelledOrInstanceRemoved_Ends()
    {
        Assert.True(_builder["i"].TryTakeSlot());
        var (first, second) = (Wait(seconds: 60), Wait(seconds: 60));
        _fleet.Publish(_builder.Change("i", v => v with { Draining = false }).Build());
        await AdvanceAsync(first, 1);
        await first;
        await second;
        await Wait(seconds: 60);
    }

    private Task Wait(double seconds) =>
        DrainWait.RunAsync(_fleet, "I", _clock.GetMoment() + TimeSpan.FromSeconds(seconds), Interval, _clock, TestContext.Current.CancellationToken);

    /// <summary>Advances the time by a number of checks, and lets the waiter run after each.</summary>
    private async Task AdvanceAsync(Task waiting, int looks)
    {
        for (var i = 0; i < looks; i++)
        {
            _clock.Advance(Look);
            // The waiter continues on another thread; the loop lets it reach the next tick or complete.
            for (var yields = 0; yields < 50 && !waiting.IsCompleted; yields++)
                await Task.Yield();
        }
    }
}
