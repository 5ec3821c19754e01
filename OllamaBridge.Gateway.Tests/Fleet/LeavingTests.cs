using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>Discovered instances drain before they are removed, and a new instance with the same name starts without their state.</summary>
public sealed class LeavingTests : IAsyncLifetime
{
    private static readonly HealthOptions Health = new() { RequestFailuresToEject = 1, Interval = TimeSpan.FromSeconds(2) };
    private readonly FakeTimeProvider _clock = new();
    private readonly FakeServers _servers = new();
    private readonly FakeSource _source = new();
    private readonly FleetOwner _owner;

    public LeavingTests() => _owner = new FleetOwner(
        new InstanceProbe(new HttpMessageInvoker(_servers), _clock), _source, Options.Create(Health), _clock, NullLogger<FleetOwner>.Instance);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _owner.StartingAsync(Cancelled);
        await _owner.StartAsync(Cancelled);
        _source.Change(Found("pod-0"), Found("pod-1"));
        await UntilAsync(s => s.Instances.Length == 2 && s.Instances.All(i => i.IsUsable));
    }

    public async ValueTask DisposeAsync()
    {
        await _owner.StopAsync(CancellationToken.None);
        _owner.Dispose();
        _servers.Dispose();
    }

    [Fact]
    public async Task Change_Undiscovered_DrainedThenRemoved()
    {
        var instance = View("pod-1")!.Instance;
        Assert.True(instance.TryTakeSlot());

        _source.Change(Found("pod-0"));
        await UntilAsync(_ => View("pod-1") is { IsLeaving: true });
        Assert.True(View("pod-1") is { Draining: true, IsUsable: false, DrainDeadline: null });
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.Same(instance, View("pod-1")!.Instance);

        instance.ReturnSlot();
        await UntilAsync(_ => View("pod-1") is null);
        Assert.True(View("pod-0") is { IsUsable: true, IsLeaving: false });
    }

    [Fact]
    public async Task Change_IdleInstanceUndiscovered_KeptForPreStopHookAndItsDeadline()
    {
        _source.Change(Found("pod-0"));
        await UntilAsync(_ => View("pod-1") is { IsLeaving: true });
        var deadline = _clock.GetUtcNow().AddMinutes(2);

        Assert.True(await _owner.DrainUntilAsync("pod-1", deadline, Cancelled));
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.NotNull(View("pod-1")!.DrainDeadline);
        await PassAsync(TimeSpan.FromMinutes(1.1));
        await UntilAsync(_ => View("pod-1") is null);
    }

    [Fact]
    public async Task Change_UsedByAnotherGateway_Kept()
    {
        View("pod-1")!.Instance.UsedElsewhere = 1;
        _source.Change(Found("pod-0"));
        await UntilAsync(_ => View("pod-1") is { IsLeaving: true });
        await PassAsync(TimeSpan.FromMinutes(1));
        View("pod-1")!.Instance.UsedElsewhere = 0;
        await UntilAsync(_ => View("pod-1") is null);
    }

    [Fact]
    public async Task Change_IdleAndUnhealthy_RemovedImmediately()
    {
        _servers["pod-1"].Refuses = true;
        await UntilAsync(_ => View("pod-1") is { Status: InstanceStatus.Unhealthy });
        _source.Change(Found("pod-0"));
        await UntilAsync(_ => View("pod-1") is null);
    }

    [Fact]
    public async Task Change_RediscoveredInstance_UsedWithItsState()
    {
        var instance = View("pod-1")!.Instance;
        _source.Change(Found("pod-0"));
        await UntilAsync(_ => View("pod-1") is { IsLeaving: true });
        _source.Change(Found("pod-0"), Found("pod-1"));
        await UntilAsync(_ => View("pod-1") is { IsUsable: true });
        Assert.Same(instance, View("pod-1")!.Instance);
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.True(View("pod-1")!.IsUsable);
    }

    [Fact]
    public async Task Change_Terminating_DrainedWhileDiscovered()
    {
        _source.Change(Found("pod-0"), Found("pod-1") with { IsLeaving = true });
        await UntilAsync(_ => View("pod-1") is { IsLeaving: true, Draining: true });
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.NotNull(View("pod-1"));
        // Undraining does not return it to use.
        await _owner.SetDrainingAsync("pod-1", false, Cancelled);
        Assert.False(View("pod-1")!.IsUsable);
    }

    [Fact]
    public async Task Change_ConfiguredInstanceRemoved_RemovedImmediately()
    {
        _source.Change(Found("pod-0"), Found("pod-1"), FakeSource.Definition("mine"));
        await UntilAsync(_ => View("mine") is { IsUsable: true });
        Assert.True(View("mine")!.Instance.TryTakeSlot());
        _source.Change(Found("pod-0"), Found("pod-1"));
        await UntilAsync(_ => View("mine") is null);
    }

    [Theory]
    [InlineData("http://pod-1b", "uid-2")]
    [InlineData("http://pod-1", "uid-2")]
    public async Task Change_ReplacedPod_StartsWithoutDrainAndEjection(string url, string incarnation)
    {
        var old = View("pod-1")!.Instance;
        Assert.True(old.TryTakeSlot());
        _owner.ReportFailure(old, InstanceFailure.ServerError);
        await UntilAsync(_ => View("pod-1") is { Status: InstanceStatus.Ejected });
        Assert.Single(_owner.Directives.Ejections);
        await _owner.DrainUntilAsync("pod-1", _clock.GetUtcNow().AddMinutes(5), Cancelled);
        await _owner.SetDrainingAsync("pod-0", true, Cancelled);

        _source.Change(Found("pod-0"), Found("pod-1") with { Url = new Uri(url), Incarnation = incarnation });
        await UntilAsync(_ => View("pod-1") is { IsUsable: true });

        Assert.NotSame(old, View("pod-1")!.Instance);
        Assert.True(View("pod-1") is { Draining: false, DrainDeadline: null, Instance.SlotsUsed: 0 });
        Assert.Empty(_owner.Directives.Ejections);
        // The drain of the instance that remains lasts until its operator ends it.
        Assert.True(View("pod-0")!.Draining);
        Assert.True(await _owner.SetDrainingAsync("pod-1", true, Cancelled));
        Assert.True(View("pod-1")!.Draining);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Probe_ContainerRestartsAfterDrain_UsableIfDrainHadDeadline(bool byATime)
    {
        if (byATime)
            await _owner.DrainUntilAsync("pod-1", _clock.GetUtcNow().AddMinutes(1), Cancelled);
        else
            await _owner.SetDrainingAsync("pod-1", true, Cancelled);
        await PassAsync(TimeSpan.FromMinutes(2));
        Assert.True(View("pod-1")!.Draining);

        _servers["pod-1"].Refuses = true;
        await UntilAsync(_ => View("pod-1") is { Status: InstanceStatus.Unhealthy });
        Assert.True(View("pod-1")!.Draining);
        _servers["pod-1"].Refuses = false;
        await UntilAsync(_ => View("pod-1") is { Status: InstanceStatus.Healthy });
        await PassAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(!byATime, View("pod-1")!.Draining);
    }

    private static InstanceDefinition Found(string name) => FakeSource.Definition(name) with { IsDiscovered = true, Incarnation = $"uid-{name}" };

    private InstanceView? View(string name) => _owner.Current.Instances.SingleOrDefault(v => v.Instance.Name == name);

    /// <summary>Advances the time one probe interval at a time.</summary>
    private async Task PassAsync(TimeSpan time)
    {
        for (var end = _clock.GetUtcNow() + time; _clock.GetUtcNow() < end;)
        {
            _clock.Advance(Health.Interval);
            // Waits until the owner has processed the due events.
            await _owner.SetDrainingAsync("nobody", true, Cancelled);
        }
    }

    private async Task UntilAsync(Func<FleetSnapshot, bool> holds)
    {
        for (var n = 0; !holds(_owner.Current); n++)
        {
            Assert.True(n < 500, "the condition did not hold in time");
            // Time passes in steps that are shorter than a probe interval.
            _clock.Advance(TimeSpan.FromMilliseconds(200));
            await _owner.SetDrainingAsync("nobody", true, Cancelled);
            await Task.Yield();
        }
    }
}
