using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Common;

/// <summary>No wait depends on the wall clock: none gets longer if the clock is set back, or shorter if it is set forward.</summary>
public sealed class ClockJumpTests
{
    private static readonly HealthOptions Health = new() { RequestFailuresToEject = 1 };
    private readonly JumpingClock _clock = new();

    public static TheoryData<int> Jumps => [-2, -1, 1, 2];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task FleetOwner_ClockJumps_ProbesContinueAndEjectionsEndOnTime(int hours)
    {
        using var servers = new FakeServers();
        using var owner = new FleetOwner(
            new InstanceProbe(new HttpMessageInvoker(servers), _clock), new FakeSource("i"), Options.Create(Health), _clock, NullLogger<FleetOwner>.Instance);
        await owner.StartingAsync(Cancelled);
        await owner.StartAsync(Cancelled);
        try
        {
            var instance = owner.Current.Instances[0].Instance;
            owner.ReportFailure(instance, InstanceFailure.Broken);
            await UntilAsync(owner, InstanceStatus.Ejected, TimeSpan.Zero);
            _clock.Set(TimeSpan.FromHours(hours));
            var before = _clock.GetMoment();
            // After a jump forward, the ejection must not end early.
            await Task.Yield();
            Assert.Equal(InstanceStatus.Ejected, owner.Current.Instances[0].Status);
            // After a jump back, the ejection ends on time, and the next probe is not an hour late.
            await UntilAsync(owner, InstanceStatus.Healthy, TimeSpan.FromMilliseconds(250));
            Assert.InRange(_clock.GetMoment() - before, Health.EjectionTime - TimeSpan.FromMilliseconds(250), Health.EjectionTime + TimeSpan.FromMinutes(1));
        }
        finally
        {
            await owner.StopAsync(CancellationToken.None);
        }
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public void Watches_ClockJumps_DrainDeadlineUnchanged(int hours)
    {
        var watches = new InstanceWatches(Microsoft.Extensions.Options.Options.Create(Health), _clock, NullLogger.Instance);
        var now = _clock.GetMoment();
        var words = OperatorDirectives.None.Drain("i", draining: true, _clock.GetWallClock(), _clock.GetWallClock() + TimeSpan.FromSeconds(30));
        watches.Reconcile([FakeSource.Definition("i")], words, now);
        _clock.Set(TimeSpan.FromHours(hours));
        Assert.False(watches.ApplyDrains(words)); // the same directive: nothing is recomputed
        Assert.Equal(TimeSpan.FromSeconds(30), watches.Find("i")!.DrainDue! - now);
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public void TierPause_ClockJumps_EndsOnTime(int hours)
    {
        var pause = new TierPause(_clock, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(60));
        pause.Set();
        _clock.Set(TimeSpan.FromHours(hours));
        Assert.True(pause.IsOn);
        Assert.Equal(TimeSpan.FromSeconds(10), pause.Left);
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.False(pause.IsOn);
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task MemoryTierStore_ClockJumps_IdleTimeIsElapsedTime(int hours)
    {
        var store = new MemoryTierStore(_clock);
        await store.TouchAsync("t", TimeSpan.Zero, Cancelled);
        _clock.Set(TimeSpan.FromHours(hours));
        _clock.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.FromSeconds(7), (await store.TouchAsync("t", TimeSpan.FromDays(1), Cancelled))!.Unused);
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task MemoryWriterStore_ClockJumps_HeldForLifetime(int hours)
    {
        var store = new MemoryModelStoreLockStore(_clock);
        var lifetime = TimeSpan.FromSeconds(10);
        Assert.Equal(ModelStoreClaim.Held, await store.HoldAsync("a", lifetime, Cancelled));
        _clock.Set(TimeSpan.FromHours(hours));
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await store.HoldAsync("b", lifetime, Cancelled));
        _clock.Advance(lifetime);
        Assert.Equal(ModelStoreClaim.Held, await store.HoldAsync("b", lifetime, Cancelled));
    }

    [Fact]
    public void Watch_ImplausiblyLongSharedEjection_Ignored()
    {
        // The shared store's clock was set back: an ejection that ends in five seconds appears to end in an hour.
        var watch = new InstanceWatch(new Instance(FakeSource.Definition("i")));
        var now = _clock.GetMoment();
        watch.Apply(new ProbeResult(watch.Instance, 1, null, false, "0.1", [], FleetBuilder.Catalog("a")), Health, now);
        Assert.False(watch.EjectUntil(now + TimeSpan.FromHours(1), Health, now));
        Assert.Equal(InstanceStatus.Healthy, watch.Status);
        Assert.True(watch.EjectUntil(now + Health.EjectionTime, Health, now));
    }

    /// <summary>Advances the clock until an instance has a status. Between two steps the owner becomes idle: only its wait for the next probe remains.</summary>
    private async Task UntilAsync(FleetOwner owner, InstanceStatus status, TimeSpan step)
    {
        using var guard = TestTimeouts.StartGuard();
        while (owner.Current.Instances[0].Status != status)
        {
            guard.Token.ThrowIfCancellationRequested();
            await _clock.TimersBecomeAsync(timers => timers.Count == 1);
            _clock.Advance(step);
        }
    }
}
