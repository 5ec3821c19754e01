using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Activation;

/// <summary>The controller of one tier, step by step, with a controlled clock.</summary>
public sealed class ScaleFromZeroControllerTests : IDisposable
{
    private static readonly TierOptions Options = new() { Models = ["big"], Activator = "Fake", MaxInstances = 2, IdleTime = TimeSpan.FromMinutes(10), StartTimeout = TimeSpan.FromMinutes(5) };
    private static readonly Tier Tier = new(new ColdTier("cold", ["big"], "cold-", Options.StartTimeout), Options);
    private static readonly TimeSpan Exchange = TimeSpan.FromMilliseconds(50);
    private readonly TestMeters _meters = new();
    private readonly CapturedLogs _logs = new();
    private readonly QueueHarness _queue = new(new FleetBuilder(new ColdTiers([Tier.Cold])).With("hot"), new QueueOptions { MaxWait = TimeSpan.FromHours(1) });
    private readonly FakePlatform _platform = new();
    private readonly FakeTierStore _store;
    private readonly ScaleFromZeroController _controller;

    public ScaleFromZeroControllerTests()
    {
        _store = new FakeTierStore(new MemoryTierStore(_queue.Clock));
        _queue.Fleet.Drains = (name, draining) =>
        {
            if (_queue.Fleet.Current.Instances.All(v => v.Instance.Name != name))
                return false;
            _queue.Change(name, v => v with { Draining = draining });
            return true;
        };
        _controller = NewController();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _queue.Dispose();
        _meters.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public async Task Step_NoRequestWaits_PlatformNotCalled()
    {
        await StepAsync();
        Assert.Empty(_platform.Asked);
    }

    [Fact]
    public async Task Step_RequestStarves_ScalesOnceThenPolls()
    {
        _ = _queue.Ask("big");
        _ = _queue.Ask("big");
        await StepAsync();
        await StepAsync();
        Assert.Equal(["read", "write 1"], _platform.Asked);
        Assert.Equal((1, TierState.Starting), (_controller.Wanted, _controller.State));

        Pass(5);
        await StepAsync();
        Assert.Equal(["read", "write 1", "read"], _platform.Asked);

        // Another gateway or an operator has scaled the tier to zero.
        _platform.Instances = 0;
        Pass(5);
        await StepAsync();
        Assert.Equal("write 1", _platform.Asked[^1]);
    }

    [Fact]
    public async Task Step_PlatformHasMoreInstances_NotScaledDown()
    {
        _platform.Instances = 7;
        _ = _queue.Ask("big");
        await StepAsync();
        Assert.Equal(["read"], _platform.Asked);
        Assert.Equal(7, _controller.Wanted);
    }

    [Fact]
    public async Task Step_ConcurrentScale_ReadAgainAndUnchanged()
    {
        _platform.OnWrite = _ =>
        {
            _platform.Instances = 1;
            _platform.OnWrite = null;
            throw new ActivationException(ActivationFailure.Conflict, "later");
        };
        _ = _queue.Ask("big");
        await StepAsync();
        Assert.Equal(["read", "write 1", "read"], _platform.Asked);
    }

    [Fact]
    public async Task Step_PlatformFails_RetriedWithBackoff()
    {
        _platform.OnRead = () => throw new ActivationException(ActivationFailure.Failed, "away");
        var asked = _queue.Ask("big");
        var at = new List<int>();
        for (var second = 0; second < 40; second++)
        {
            var before = _platform.Asked.Count;
            await StepAsync();
            if (_platform.Asked.Count > before)
                at.Add(second);
            Pass(1);
        }

        Assert.Equal([0, 1, 3, 7, 15, 30], at);
        Assert.Equal(1, _queue.Queue.Count);
        Assert.Equal("away", _controller.Error);
    }

    [Fact]
    public async Task Step_PlatformRefuses_WaitingAndNewRequestsRefusedUntilRetry()
    {
        _platform.OnRead = () => throw new ActivationException(ActivationFailure.Refused, "no");
        var first = _queue.Ask("big");
        await StepAsync();
        Assert.Equal(LeaseRefusal.StartRefused, (await first).Refusal);
        var second = _queue.Ask("big");
        await StepAsync();
        Assert.Equal(LeaseRefusal.StartRefused, (await second).Refusal);
        Assert.Single(_platform.Asked);

        Pass(11);
        _platform.OnRead = null;
        var third = _queue.Ask("big");
        await StepAsync();
        Assert.Equal(1, _queue.Queue.Count);
        Assert.Equal("write 1", _platform.Asked[^1]);
    }

    [Fact]
    public async Task Step_SaturatedForLong_OneMoreUpToMaximum()
    {
        Start("cold-0", slots: 1);
        _platform.Instances = 1;
        using var running = _queue.Get("big");
        var waiting = _queue.Ask("big");
        await StepAsync();
        Pass(9);
        await StepAsync();
        Assert.Empty(_platform.Asked);
        Pass(1);
        await StepAsync();
        Assert.Equal(["read", "write 2"], _platform.Asked);

        // The instance has not started yet, so no further one is requested.
        Pass(60);
        await StepAsync();
        Assert.Equal(2, _platform.Instances);
        Start("cold-1", slots: 1);
        using var second = await LeaseAsync(waiting);
        _ = _queue.Ask("big");
        Pass(60);
        await StepAsync();
        await StepAsync();
        Assert.Equal(2, _platform.Instances);
    }

    [Fact]
    public async Task Step_WaitingRequestsServed_NoFurtherScale()
    {
        Start("cold-0", slots: 1);
        _platform.Instances = 1;
        var running = _queue.Get("big");
        for (var i = 0; i < 10; i++)
        {
            var next = _queue.Ask("big");
            await StepAsync();
            Pass(8);
            running.Dispose();
            running = await LeaseAsync(next);
            await StepAsync();
        }

        Assert.Empty(_platform.Asked);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)] // regardless of the origin of the scale
    public async Task Step_UnusedForLong_DrainedThenScaledToZeroThenUndrained(int instances)
    {
        Start("cold-0");
        _platform.Instances = instances;
        (await LeaseAsync(_queue.Ask("big"))).Dispose();
        await StepAsync();
        Pass(9 * 60);
        await StepAsync();
        Assert.Empty(_platform.Asked);
        Pass(60);

        await SleepAsync();

        Assert.Equal(["read", "write 0"], _platform.Asked);
        Assert.True(View("cold-0").Draining);
        // The instance is still there while it stops, and gets no requests.
        Pass(1);
        await StepAsync();
        Assert.True(View("cold-0").Draining);
        _queue.Change("cold-0", v => v with { Status = InstanceStatus.Unhealthy });
        await StepAsync();
        Assert.False(View("cold-0").Draining);
        Assert.Empty(await _store.DrainedAsync());
        Assert.Equal((0, TierState.Asleep), (_controller.Wanted, _controller.State));
        Pass(3600);
        await StepAsync();
        Assert.Equal(2, _platform.Asked.Count);
    }

    [Fact]
    public async Task Step_PlatformKeepsInstance_Undrained()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(600);
        await SleepAsync();
        _platform.Instances = 1;
        Pass(31);
        await StepAsync();
        Assert.False(View("cold-0").Draining);
    }

    [Fact]
    public async Task Step_RequestArrivesWhileDraining_InstanceKeptAndUndrained()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(600);
        var step = _controller.StepAsync(Token);
        await Eventually.BecomesAsync(() => View("cold-0").Draining, TimeSpan.FromSeconds(10));
        var asked = _queue.Ask("big");
        _controller.NoteStarving();
        await step.WaitAsync(TimeSpan.FromSeconds(10), Token);

        (await LeaseAsync(asked)).Dispose();
        Assert.False(View("cold-0").Draining);
        Assert.Equal(["read"], _platform.Asked);
        Assert.Contains(_logs.Lines, l => l.StartsWith("Information 1607", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Step_UsedByOtherGateway_NotDrained()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(599);
        await _store.TouchAsync("cold", TimeSpan.Zero, Token);
        Pass(1);
        await StepAsync();
        Assert.False(View("cold-0").Draining);
        Pass(598);
        await StepAsync();
        Assert.DoesNotContain("write 0", _platform.Asked);
        Pass(2);
        await SleepAsync();
        Assert.Equal("write 0", _platform.Asked[^1]);
    }

    [Fact]
    public async Task Step_UsedByOtherGatewayWhileDraining_Kept()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(600);
        var step = _controller.StepAsync(Token);
        await Eventually.BecomesAsync(() => View("cold-0").Draining, TimeSpan.FromSeconds(10));
        await _store.TouchAsync("cold", TimeSpan.Zero, Token);
        await FinishAsync(step);
        Assert.Equal(["read"], _platform.Asked);
        Assert.False(View("cold-0").Draining);
    }

    [Fact]
    public async Task Step_OtherGatewaysRequestRuns_Kept()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(600);
        var step = _controller.StepAsync(Token);
        await Eventually.BecomesAsync(() => View("cold-0").Draining, TimeSpan.FromSeconds(10));
        View("cold-0").Instance.UsedElsewhere = 1;
        await FinishAsync(step);
        Assert.Equal(["read"], _platform.Asked);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)] // requested, but not started yet
    public async Task Step_UseUnknown_KeptAndLoggedOnce(bool isThere)
    {
        if (isThere)
            Start("cold-0");
        _platform.Instances = 1;
        _store.IsAway = true;
        for (var i = 0; i < 5; i++)
        {
            Pass(600);
            await StepAsync();
        }

        Assert.DoesNotContain("write 0", _platform.Asked);
        Assert.DoesNotContain(_queue.Fleet.Current.Instances, v => v.Draining);
        Assert.Single(_logs.Lines, l => l.StartsWith("Warning 1608", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Step_OperatorsDrain_Unchanged()
    {
        Start("cold-0");
        Start("cold-1");
        _queue.Change("cold-1", v => v with { Draining = true });
        _platform.Instances = 2;
        Pass(600);
        await SleepAsync();
        foreach (var name in new[] { "cold-0", "cold-1" })
            _queue.Change(name, v => v with { Status = InstanceStatus.Unhealthy });
        await StepAsync();
        Assert.Equal((false, true), (View("cold-0").Draining, View("cold-1").Draining));
    }

    [Fact]
    public async Task Step_GatewayDiedWhileDraining_NextGatewayUndrainsForWaitingRequest()
    {
        Start("cold-0");
        _queue.Change("cold-0", v => v with { Draining = true });
        await _store.NoteDrainedAsync("cold", ["cold-0"], Token);
        _platform.Instances = 1;
        var asked = _queue.Ask("big");
        await StepAsync();
        Pass(30);
        await StepAsync();
        Assert.Equal(1, _queue.Queue.Count);
        Pass(16);
        await StepAsync();
        (await LeaseAsync(asked)).Dispose();
        Assert.Empty(await _store.DrainedAsync());
    }

    [Theory]
    [InlineData(-31, false)]
    [InlineData(-5, true)] // about to stop
    [InlineData(60, true)]
    public async Task Step_DrainedByDeadline_LaterInstanceIsNewOne(int deadline, bool expected)
    {
        Start("cold-0");
        _queue.Change("cold-0", v => v with { Draining = true, DrainDue = _queue.Clock.GetMoment() + TimeSpan.FromSeconds(deadline) });
        _platform.Instances = 1;
        _ = _queue.Ask("big");
        await StepAsync();
        Pass(1);
        await StepAsync();
        Assert.Equal(expected, View("cold-0").Draining);
    }

    [Fact]
    public async Task Run_RequestStarves_ScalesImmediately()
    {
        using var stop = new CancellationTokenSource();
        _queue.Queue.Starved += _ => _controller.NoteStarving();
        var running = _controller.RunAsync(stop.Token);
        _ = _queue.Ask("big");
        await Eventually.BecomesAsync(() => _platform.Instances == 1, TimeSpan.FromSeconds(10));
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10), Token);
    }

    [Fact]
    public async Task Run_StoppedWhileDraining_Undrained()
    {
        Start("cold-0");
        _platform.Instances = 1;
        Pass(600);
        using var stop = new CancellationTokenSource();
        var running = _controller.RunAsync(stop.Token);
        _controller.Wake();
        await Eventually.BecomesAsync(() => View("cold-0").Draining, TimeSpan.FromSeconds(10));
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10), Token);
        Assert.False(View("cold-0").Draining);
        Assert.Equal(["read"], _platform.Asked);
    }

    [Fact]
    public async Task Step_WriteOnlyPlatform_RequestRepeatedIfNoInstanceStarts()
    {
        _platform.Tells = false;
        _ = _queue.Ask("big");
        for (var second = 0; second < 40; second++)
        {
            await StepAsync();
            Pass(1);
        }

        Assert.Equal(2, _platform.Asked.Count(a => a == "write 1"));
    }

    [Fact]
    public async Task Step_WriteOnlyPlatformAndNoInstance_NoRequest()
    {
        _platform.Tells = false;
        Pass(600);
        await StepAsync();
        Pass(600);
        await StepAsync();
        Assert.DoesNotContain(_platform.Asked, a => a.StartsWith("write", StringComparison.Ordinal));
    }

    private ScaleFromZeroController NewController()
    {
        var logger = (Microsoft.Extensions.Logging.ILogger)_logs;
        var load = new TierLoad(Tier, _queue.Fleet, _queue.Queue, new TierUse(Tier, _store, _queue.Clock), _queue.Clock);
        var drain = new TierDrain(Tier, _queue.Fleet, _store, Exchange, _queue.Clock, logger);
        var platform = new TierPlatform(Tier, _platform, _queue.Clock);
        return new ScaleFromZeroController(
            Tier, load, platform, new ScaleToZero(Tier, load, drain, platform, _queue.Clock, logger), new ActivationMetrics(_meters), _queue.Clock, logger);
    }

    private void Start(string name, int slots = 4) => _queue.Fleet.Publish(_queue.Builder.With(name, "big", slots: slots).Build());

    private InstanceView View(string name) => _queue.Fleet.Current.Instances.Single(v => v.Instance.Name == name);

    private static async Task<InstanceLease> LeaseAsync(Task<LeaseResult> asked) =>
        Assert.IsType<InstanceLease>((await asked.WaitAsync(TimeSpan.FromSeconds(20), Token)).Lease);

    private void Pass(int seconds) => _queue.Clock.Advance(TimeSpan.FromSeconds(seconds));

    private Task StepAsync() => _controller.StepAsync(Token).WaitAsync(TimeSpan.FromSeconds(20), Token);

    /// <summary>A step that waits for other gateways.</summary>
    private Task SleepAsync() => FinishAsync(_controller.StepAsync(Token));

    private async Task FinishAsync(Task step)
    {
        await Eventually.BecomesAsync(
            () =>
            {
                _queue.Clock.Advance(Exchange);
                return step.IsCompleted;
            },
            TimeSpan.FromSeconds(20));
        await step;
    }

    private sealed class FakePlatform : IInstanceActivator
    {
        public string Name => "Fake";

        public int Instances { get; set; }

        public bool Tells { get; set; } = true;

        public List<string> Asked { get; } = [];

        public Action? OnRead { get; set; }

        public Action<int>? OnWrite { get; set; }

        public Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken)
        {
            Asked.Add("read");
            OnRead?.Invoke();
            return Task.FromResult(new TierScale(Tells ? Instances : null));
        }

        public Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken)
        {
            Asked.Add($"write {instances}");
            OnWrite?.Invoke(instances);
            Instances = instances;
            return Task.CompletedTask;
        }
    }

    private sealed class FakeTierStore(ITierStore store) : ITierStore
    {
        public bool IsAway { get; set; }

        public ValueTask<TierMark?> TouchAsync(string tier, TimeSpan ago, CancellationToken cancellationToken) =>
            IsAway ? ValueTask.FromResult<TierMark?>(null) : store.TouchAsync(tier, ago, cancellationToken);

        public ValueTask<bool> NoteDrainedAsync(string tier, IReadOnlyCollection<string> instances, CancellationToken cancellationToken) =>
            IsAway ? ValueTask.FromResult(false) : store.NoteDrainedAsync(tier, instances, cancellationToken);

        public async Task<IReadOnlyList<string>> DrainedAsync() => (await store.TouchAsync("cold", TimeSpan.FromDays(1), Token))!.Drained;
    }
}
