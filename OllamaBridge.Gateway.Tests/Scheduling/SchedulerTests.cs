using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class SchedulerTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Decide_NoneUsable_ReportsOutcome()
    {
        var fleet = new FleetBuilder().With("i").Change("i", v => v with { Draining = true });
        fleet.Build();
        Assert.Equal(SchedulingOutcome.NoneUsable, Decide(Deciding.For(fleet)).Outcome);
        Assert.Equal(SchedulingOutcome.NoneUsable, Decide(Deciding.For(fleet, tried: [fleet["i"]])).Outcome);
    }

    [Fact]
    public void Decide_NoModels_NoneUsable() =>
        Assert.Equal(SchedulingOutcome.NoneUsable, Decide(new(FleetSnapshot.Empty.Anything, 0, null, null, true, 0, 0)).Outcome);

    [Fact]
    public void Decide_AllTried_ReportsOutcome()
    {
        var fleet = new FleetBuilder().With("i").With("j");
        fleet.Build();
        Assert.Equal(SchedulingOutcome.AllTried, Decide(Deciding.For(fleet, tried: [fleet["i"], fleet["j"]])).Outcome);
    }

    [Fact]
    public void Decide_AllFull_BusyExceptForLookup()
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        fleet["i"].TryTakeSlot();
        Assert.Equal(SchedulingOutcome.Busy, Decide(Deciding.For(fleet)).Outcome);
        Assert.Equal(SchedulingOutcome.Chosen, Decide(Deciding.For(fleet, needsSlot: false)).Outcome);
    }

    [Fact]
    public void Decide_ModelInMemory_PreferredToIdleInstance()
    {
        var fleet = new FleetBuilder().With("i", slots: 4).With("j", loaded: "a", slots: 4);
        fleet.Build();
        fleet["j"].TryTakeSlot();
        Assert.Equal("j", Decide(Deciding.For(fleet)).Placement!.Instance.Name);
    }

    [Fact]
    public void Decide_ScorerDisabled_NoInfluence()
    {
        var fleet = new FleetBuilder().With("i", loaded: "a", slots: 8).With("j", loaded: "a", slots: 8);
        fleet.Build();
        fleet["i"].TryTakeSlot();
        var options = new SchedulingOptions { Scorers = new Dictionary<string, float> { ["load"] = 0 } };
        var scheduler = Deciding.Scheduler(_clock, options);
        var chosen = Enumerable.Range(0, 100).Select(_ => scheduler.Decide(Deciding.For(fleet)).Placement!.Instance.Name).Distinct();
        Assert.Equal(2, chosen.Count());
        Assert.Equal("j", Decide(Deciding.For(fleet)).Placement!.Instance.Name);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1024)]
    public void Decide_ManyInstances_AllocatesNothing(int count)
    {
        var fleet = new FleetBuilder();
        for (var i = 0; i < count; i++)
            fleet.With($"i{i}", "a b", loaded: i % 2 == 0 ? "a" : "b");
        fleet.Build();
        var scheduler = Deciding.Scheduler(_clock);
        var request = Deciding.For(fleet, affinity: 42);
        for (var i = 0; i < 100; i++)
            scheduler.Decide(request);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            scheduler.Decide(request);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Decide_MoreInstancesThanStackBuffer_Chooses()
    {
        var fleet = new FleetBuilder();
        for (var i = 0; i < 1500; i++)
            fleet.With($"i{i}", loaded: i == 1400 ? "a" : "");
        fleet.Build();
        Assert.Equal("i1400", Decide(Deciding.For(fleet)).Placement!.Instance.Name);
    }

    [Fact]
    public void Decide_AnyFleet_NeverPicksUnusableFullOrTried()
    {
        // Each number is one instance. Its bits are: status, draining, full, tried, model in memory, and other model in memory.
        Prop.ForAll(Gen.Choose(0, 255).ListOf().ToArbitrary(), Gen.Choose(0, 40).ToArbitrary(), (bits, seconds) =>
        {
            var fleet = new FleetBuilder().With("none", models: "z");
            for (var i = 0; i < bits.Count; i++)
            {
                var b = bits[i];
                fleet.With($"i{i}", "a b", loaded: $"{((b & 32) != 0 ? "a" : "")} {((b & 64) != 0 ? "b" : "")}", capacity: 1 + (b >> 7))
                    .Change($"i{i}", v => v with { Status = (InstanceStatus)(b & 3), Draining = (b & 4) != 0 });
            }

            fleet.Build();
            foreach (var view in fleet.Current.Instances.Where((_, i) => i > 0 && (bits[i - 1] & 8) != 0))
                view.Instance.TryTakeSlot();
            Instance[] tried = [.. fleet.Current.Instances.Where((_, i) => i > 0 && (bits[i - 1] & 16) != 0).Select(v => v.Instance)];
            if (bits.Count == 0)
                return true;
            var request = Deciding.For(fleet, affinity: (ulong)seconds, tried: tried, now: _clock.GetTimestamp(), waited: TimeSpan.FromSeconds(seconds));
            var decision = Deciding.Scheduler(_clock).Decide(request);
            var usable = fleet.Current.Instances.Where(v => v.IsUsable && v.Instance.Name != "none").ToArray();
            return decision.Outcome switch
            {
                SchedulingOutcome.Chosen => decision.Placement is { } p && p.View.IsUsable && !tried.Contains(p.Instance)
                    && p.Instance.SlotsUsed == 0 && p.Instance.Name != "none",
                SchedulingOutcome.NoneUsable => usable.Length == 0,
                SchedulingOutcome.AllTried => usable.All(v => tried.Contains(v.Instance)),
                _ => seconds < 30 || usable.All(v => tried.Contains(v.Instance) || v.Instance.SlotsUsed > 0),
            };
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Theory]
    [InlineData("affinity")]
    [InlineData("Affinity")]
    [InlineData("AFFINITY")]
    public void Options_WeightInAnyCase_OverridesDefault(string key)
    {
        var options = Bind(($"Bridge:Scheduling:Scorers:{key}", "0"));
        Assert.Equal(0f, options.Scorers["affinity"]);
        Assert.Equal(4, options.Scorers.Count);
    }

    [Fact]
    public void Options_UnknownNamesAndBadWeights_AllReported()
    {
        var error = Assert.Throws<OptionsValidationException>(() => Bind(
            ("Bridge:Scheduling:Scorers:nope", "1"), ("Bridge:Scheduling:Scorers:load", "-1"), ("Bridge:Scheduling:Picker", "worst")));
        Assert.Equal(3, error.Failures.Count());
    }

    [Fact]
    public void LastScores_AfterDecision_BestFirst()
    {
        var fleet = new FleetBuilder().With("i", loaded: "a", slots: 4).With("j", loaded: "a", slots: 4).With("k", loaded: "a", slots: 4);
        fleet.Build();
        fleet["i"].TryTakeSlot();
        fleet["i"].TryTakeSlot();
        fleet["k"].TryTakeSlot();
        Decide(Deciding.For(fleet));
        // 4 for the model in memory, 1.5 times the free share, 0.5 for the unknown time to first token.
        Assert.Equal(["j=6", "k=5.625", "i=5.25"], Scheduler.LastScores(10));
        Assert.Equal(["j=6", "k=5.625"], Scheduler.LastScores(2));
    }

    [Fact]
    public void LastScores_ThreadWithoutDecision_Empty()
    {
        string[]? scores = null;
        var thread = new Thread(() => scores = Scheduler.LastScores(3));
        thread.Start();
        thread.Join();
        Assert.Empty(scores!);
    }

    [Fact]
    public void Options_WeightAtBounds_Accepted() =>
        Assert.Equal(1000f, Bind(("Bridge:Scheduling:Scorers:load", "1000"), ("Bridge:Scheduling:Scorers:affinity", "0")).Scorers["load"]);

    [Fact]
    public void Options_InvalidValues_MessagesNameKeyAndKnownNames()
    {
        var error = Assert.Throws<OptionsValidationException>(() => Bind(
            ("Bridge:Scheduling:Scorers:nope", "1"), ("Bridge:Scheduling:Scorers:load", "1001"), ("Bridge:Scheduling:Picker", "worst")));
        Assert.Equal(
            [
                "Bridge:Scheduling:Scorers:load: 1001 is not between 0 and 1000.",
                "Bridge:Scheduling:Scorers:nope: unknown scorer; known scorers are model-loaded, affinity, load, time-to-first-token.",
                "Bridge:Scheduling:Picker: unknown picker 'worst'; known pickers are best, weighted-random.",
            ],
            error.Failures);
    }

    [Fact]
    public void AddScheduling_Services_PoliciesInOrder()
    {
        using var provider = Provider();
        Assert.Equal(["keep-models", "free-slot"], provider.GetServices<IInstanceFilter>().Select(f => f.Name));
        Assert.Equal(["model-loaded", "affinity", "load", "time-to-first-token"], provider.GetServices<IInstanceScorer>().Select(s => s.Name));
        Assert.Equal(["best", "weighted-random"], provider.GetServices<IInstancePicker>().Select(p => p.Name));
        Assert.NotNull(provider.GetService<Scheduler>());
        Assert.NotNull(provider.GetService<RegionRules>());
        Assert.NotNull(provider.GetService<ConversationAffinity>());
    }

    private SchedulingDecision Decide(in SchedulingRequest request) => Deciding.Scheduler(_clock).Decide(request);

    private static SchedulingOptions Bind(params (string Key, string Value)[] settings)
    {
        using var provider = Provider(settings);
        return provider.GetRequiredService<IOptions<SchedulingOptions>>().Value;
    }

    private static ServiceProvider Provider(params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value))).Build();
        return new ServiceCollection()
            .AddSingleton<IConfiguration>(configuration).AddSingleton(TimeProvider.System).AddScheduling().BuildServiceProvider();
    }
}
