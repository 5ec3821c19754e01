using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Scheduling.Pickers;
using OllamaBridge.Gateway.Scheduling.Scorers;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Testing.Scheduling;

/// <summary>Creates schedulers and requests for tests.</summary>
internal static class Deciding
{
    public static Scheduler Scheduler(TimeProvider time, SchedulingOptions? options = null, Random? random = null, RegionOptions? regions = null)
    {
        var wrapped = Options.Create(options ?? new SchedulingOptions());
        return new Scheduler(
            [new KeepModelsFilter(wrapped, time), new FreeSlotFilter()],
            [new ModelLoadedScorer(), new AffinityScorer(), new LoadScorer(), new TimeToFirstTokenScorer()],
            [new BestPicker(), new WeightedPicker()],
            wrapped,
            random ?? new Random(1),
            new RegionRules(Options.Create(regions ?? new RegionOptions()), time));
    }

    public static SchedulingRequest For(
        FleetBuilder fleet,
        string model = "a",
        ulong affinity = 0,
        Instance[]? tried = null,
        Instance? only = null,
        bool needsSlot = true,
        long now = 0,
        TimeSpan waited = default) =>
        new(model.Length == 0 ? fleet.Current.Anything : fleet.Current.Models[FleetBuilder.Key(model)], affinity, tried, only, needsSlot, now, waited.Ticks);

    /// <summary>The names of the instances that a filter keeps.</summary>
    public static IEnumerable<string> Keep(IInstanceFilter filter, in SchedulingRequest request)
    {
        var usable = request.Model.Usable;
        var candidates = Gather(request);
        filter.Keep(request, candidates);
        return [.. candidates.Index.ToArray().Select(i => usable[i].Instance.Name)];
    }

    /// <summary>The scores that a scorer with weight 1 gives to the instances of a model.</summary>
    public static float[] Score(IInstanceScorer scorer, in SchedulingRequest request)
    {
        var candidates = Gather(request);
        scorer.AddScores(request, candidates, 1f);
        return candidates.Sum.ToArray();
    }

    private static Candidates Gather(in SchedulingRequest request)
    {
        var candidates = new Candidates();
        candidates.Gather(request.Model);
        return candidates;
    }

    /// <summary>Takes a slot for a model, as a lease does.</summary>
    public static InstanceLease Take(FleetBuilder fleet, string instance, string model = "a", TimeProvider? time = null) =>
        InstanceLease.TryTake(fleet.Placement(instance, model), () => { }, time ?? new FakeTimeProvider())
        ?? throw new InvalidOperationException("no free slot");
}
