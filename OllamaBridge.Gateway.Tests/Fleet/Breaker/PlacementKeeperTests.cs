using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public class PlacementKeeperTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly SnapshotBuilder _builder;
    private readonly Instance _i = new(new InstanceDefinition("i", new Uri("http://i"), 4, 0));
    private readonly Instance _j = new(new InstanceDefinition("j", new Uri("http://j"), 4, 0));
    private FleetSnapshot _fleet = FleetSnapshot.Empty;

    public PlacementKeeperTests() => _builder = Builder(new HealthOptions());

    [Theory]
    [InlineData("Unhealthy")]
    [InlineData("Ejected")]
    public void Observe_InstanceReturns_SlowStart(string status)
    {
        var away = Enum.Parse<InstanceStatus>(status);
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
        Build(away);
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.SlowStart, Condition(_i));
        Assert.Equal(PlacementCondition.Steady, Condition(_j));
        Assert.Equal(1, Model.State.Restricted);
        Assert.Equal(1, Cell(_i).Guard!.InstanceLimit(_i, _clock.GetTimestamp()));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
        Assert.Equal(0, Model.State.Restricted);
    }

    [Theory]
    [InlineData("Unhealthy", "SlowStart")] // no process responded: a new process
    [InlineData("Ejected", "HalfOpen")]
    public void Observe_InstanceReturnsWithOpenBreaker_KeptOnlyForSameProcess(string status, string expected)
    {
        Build(InstanceStatus.Healthy);
        var guard = Cell(_i).MakeGuard()!;
        while (!guard.Failed(guard.Entry, InstanceFailure.Broken, _clock.GetTimestamp(), Rule.Of(), 0))
        {
            // Each failure is an interrupted stream.
        }

        Build(Enum.Parse<InstanceStatus>(status));
        Build(InstanceStatus.Healthy);
        Assert.Equal(Enum.Parse<PlacementCondition>(expected), Condition(_i));
    }

    [Fact]
    public void Observe_NewInstance_NoSlowStart()
    {
        Build(InstanceStatus.Unknown);
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
    }

    [Fact]
    public void Observe_ModelMovedToCpu_QuarantinedUntilBackOnGpu()
    {
        Build(loaded: Loaded(inVram: true));
        Build(loaded: Loaded(inVram: false));
        Assert.Equal(PlacementCondition.OnCpu, Condition(_i));
        Build(loaded: Loaded(inVram: true));
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
        Build(loaded: Loaded(inVram: false));
        Build(loaded: []); // unloaded: the device of the next load is unknown
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
        Assert.Equal(0, Model.State.Restricted);
    }

    [Fact]
    public void Observe_OnCpuButElsewhereOnGpu_Quarantined()
    {
        Build(loaded: Loaded(inVram: false));
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
        Build(loaded: Loaded(inVram: false), other: Loaded(inVram: true));
        Assert.Equal(PlacementCondition.OnCpu, Condition(_i));
        Assert.Equal(PlacementCondition.Steady, Condition(_j));
    }

    [Fact]
    public void Observe_FleetWithoutGpus_NoQuarantine()
    {
        Build(loaded: Loaded(inVram: false), other: Loaded(inVram: false));
        Assert.Equal(0, Model.State.Restricted);
    }

    [Fact]
    public void Observe_Disabled_NoQuarantine()
    {
        var builder = Builder(new HealthOptions { QuarantineCpu = false });
        Build(loaded: Loaded(inVram: true), builder: builder);
        Build(loaded: Loaded(inVram: false), builder: builder);
        Assert.Equal(0, Model.State.Restricted);
    }

    [Fact]
    public void Observe_ModelDeletedWhileQuarantined_NoLongerCounted()
    {
        Build(loaded: Loaded(inVram: true));
        Build(loaded: Loaded(inVram: false));
        var state = Model.State;
        _fleet = _builder.Build([View(_i, InstanceStatus.Healthy, []) with { Catalog = [] }, View(_j, InstanceStatus.Healthy, [])]);
        Assert.Equal(0, state.Restricted);
    }

    [Fact]
    public void Observe_InstanceRemovedWhileUnhealthy_NewOneWithoutSlowStart()
    {
        Build(InstanceStatus.Unhealthy);
        _fleet = _builder.Build([View(_j, InstanceStatus.Healthy, [])]);
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
    }

    [Fact]
    public void Observe_OtherInstanceRemoved_StatusRemembered()
    {
        Build(InstanceStatus.Unhealthy);
        _fleet = _builder.Build([View(_i, InstanceStatus.Unhealthy, [])]);
        Build(InstanceStatus.Healthy);
        Assert.Equal(PlacementCondition.SlowStart, Condition(_i));
    }

    [Fact]
    public void Observe_UnhealthyInstanceOnCpu_NoQuarantine()
    {
        Build(loaded: Loaded(inVram: true));
        Build(InstanceStatus.Unhealthy, loaded: Loaded(inVram: false));
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
    }

    [Fact]
    public void Observe_OnCpuAndOnlyUnusableInstanceOnGpu_NoQuarantine()
    {
        _fleet = _builder.Build([View(_i, InstanceStatus.Healthy, Loaded(inVram: false)), View(_j, InstanceStatus.Unhealthy, Loaded(inVram: true))]);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
    }

    [Fact]
    public void Observe_SlowModelUnloaded_Steady()
    {
        Build(loaded: Loaded(inVram: true));
        var guard = Cell(_i).MakeGuard()!;
        for (var i = 0; i < 60; i++)
            guard.Succeeded(guard.Entry, i < 30 ? 100 : 1, _clock.GetTimestamp(), Rule.Of());
        Assert.Equal(PlacementCondition.Slow, Condition(_i));
        Build(loaded: Loaded(inVram: true));
        Assert.Equal(PlacementCondition.Slow, Condition(_i));
        _builder.ObserveLoaded(_i, new HashSet<string>(), askedAt: 1);
        Build(loaded: []);
        Assert.Equal(PlacementCondition.Steady, Condition(_i));
    }

    private ModelView Model => _fleet.Models["a:latest"];

    private SnapshotBuilder Builder(HealthOptions options) => new(new PlacementKeeper(Microsoft.Extensions.Options.Options.Create(options), _clock));

    private PlacementState Cell(Instance instance) => Model.Placements.Single(p => p.Instance == instance).State;

    private PlacementCondition Condition(Instance instance) => Cell(instance).Guard?.ConditionAt(_clock.GetTimestamp()) ?? PlacementCondition.Steady;

    private void Build(
        InstanceStatus status = InstanceStatus.Healthy,
        ImmutableArray<LoadedModel> loaded = default,
        ImmutableArray<LoadedModel> other = default,
        SnapshotBuilder? builder = null) => _fleet = (builder ?? _builder).Build(
            [View(_i, status, loaded), View(_j, InstanceStatus.Healthy, other)]);

    private static InstanceView View(Instance instance, InstanceStatus status, ImmutableArray<LoadedModel> loaded) =>
        new(instance, status, false, true, FleetBuilder.Catalog("a"), loaded.IsDefault ? [] : loaded, "0.32.15", null);

    private static ImmutableArray<LoadedModel> Loaded(bool inVram) => [FleetBuilder.InMemory("a", FleetBuilder.Day) with { Size = 2, SizeInVram = inVram ? 2 : 1 }];
}
