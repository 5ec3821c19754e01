using System.Collections.Immutable;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>Builds a fleet in a given situation from the gateway's own types: eight models on every disk, two of which fit in memory.</summary>
internal static class FleetFixture
{
    private const int Slots = 4;
    private const int ModelsOnDisk = 8;
    private const int ModelsInMemory = 2;
    private const string Asked = "model-0:latest";
    private static readonly string[] Keys = [.. Enumerable.Range(0, ModelsOnDisk).Select(i => $"model-{i}:latest")];

    public static SchedulingRequest Build(int instances, Situation situation)
    {
        var random = new Random(17);
        var catalog = Keys.Select(k => new CatalogModel(k, k, DateTimeOffset.UnixEpoch, "{}"u8.ToArray())).ToImmutableArray();
        var views = Enumerable.Range(0, instances).Select(i => new InstanceView(
            new Instance(new InstanceDefinition($"ollama-{i}", new Uri($"http://10.0.{i / 250}.{i % 250}:11434"), Slots, ModelsInMemory)),
            InstanceStatus.Healthy,
            Draining: false,
            CatalogKnown: true,
            catalog,
            [],
            "0.32.15",
            LastError: null)).ToImmutableArray();
        var model = new SnapshotBuilder().Build(views).Models[Asked];
        var now = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < instances; i++)
            Arrange(model.Placements[i], i, situation, now, random);
        var waited = situation == Situation.LoadedNowhere ? TimeProvider.System.TimestampFrequency * 10 : 0;
        // A snapshot of the current state, as the fleet's owner publishes after a probe.
        model = new ModelView(model.Name, model.State, model.Placements);
        return new SchedulingRequest(model, Affinity: 0, Tried: null, Only: null, NeedsSlot: true, now, waited);
    }

    private static void Break(PlacementGuard guard, long now)
    {
        // Longer than any benchmark.
        var options = new BreakerOptions { OpenTime = TimeSpan.FromHours(1), MaxOpenTime = TimeSpan.FromHours(1) };
        var rules = BreakerRules.From(options, TimeSpan.Zero, TimeProvider.System);
        for (var i = 0; i < options.ConsecutiveFailures; i++)
            guard.Failed(guard.Entry, InstanceFailure.ServerError, now, rules, chance: 0);
    }

    private static void Arrange(ModelPlacement placement, int index, Situation situation, long now, Random random)
    {
        var has = situation is Situation.LoadedEverywhere or Situation.AllBusy or Situation.TenthIsOut
            || (situation is Situation.LoadedOnATenth or Situation.TenthIsBusy && index % 10 == 0);
        var instance = placement.Instance;
        // The last model of the list is in use wherever memory has room for it. It prevents the load of another model.
        var resident = has ? placement.State : instance.Placements[ModelsOnDisk - 1];
        placement.State.AddTimeToFirstToken(0.05 + random.NextDouble());
        resident.Observe(loaded: true, askedAt: now);
        instance.Placements[ModelsOnDisk - 2].Observe(loaded: true, askedAt: now);
        var isBusy = situation == Situation.AllBusy || (situation == Situation.TenthIsBusy && has);
        var used = isBusy ? Slots : random.Next(1, Slots);
        for (var slot = 0; slot < used; slot++)
        {
            instance.TryTakeSlot();
            resident.Enter(now);
        }

        if (situation == Situation.TenthIsOut && index % 10 == 0)
            Break(placement.State.MakeGuard()!, now);
    }
}
