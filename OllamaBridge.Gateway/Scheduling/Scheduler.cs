using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Selects an instance for a request: filters, then scorers, then the picker. Pure except for the random source.</summary>
/// <remarks>The snapshot lists only usable instances (healthy, not draining). A model that other regions have, too, has a view per region.</remarks>
internal sealed class Scheduler
{
    // Scratch memory per thread. A decision neither waits nor calls back, so one object per thread is enough.
    [ThreadStatic]
    private static Candidates? t_candidates;

    // The model of these candidates.
    [ThreadStatic]
    private static ModelView? t_model;

    // Fixed steps: each has its own outcome if it excludes all candidates.
    private readonly NotTriedFilter _notTried = new();
    private readonly GuardFilter _guard = new();
    private readonly PeerRoomFilter _peerRoom = new();
    private readonly IInstanceFilter[] _filters;
    private readonly Derived<SchedulingOptions, Policies> _policies;
    private readonly Random _random;
    private readonly RegionRules? _regions;

    public Scheduler(
        IEnumerable<IInstanceFilter> filters,
        IEnumerable<IInstanceScorer> scorers,
        IEnumerable<IInstancePicker> pickers,
        IOptions<SchedulingOptions> options,
        Random random,
        RegionRules? regions = null)
    {
        _filters = [.. filters];
        IInstanceScorer[] allScorers = [.. scorers];
        IInstancePicker[] allPickers = [.. pickers];
        _policies = new Derived<SchedulingOptions, Policies>(options, o => new Policies(
            [.. allScorers.Select(s => (s, o.Scorers.TryGetValue(s.Name, out var weight) ? weight : 0f)).Where(s => s.Item2 > 0)],
            allPickers.Single(p => string.Equals(p.Name, o.Picker, StringComparison.OrdinalIgnoreCase))));
        // A wrong name fails here, not at the first request.
        _ = _policies.Value;
        _random = random;
        _regions = regions;
    }

    /// <summary>Decides, without taking a slot. Allocates only if the thread has not seen a fleet of this size before.</summary>
    public SchedulingDecision Decide(in SchedulingRequest request) =>
        request.Model.HasPeers && _regions is not null ? DecideOverRegions(request, _regions) : DecideAmong(request);

    private SchedulingDecision DecideOverRegions(in SchedulingRequest request, RegionRules rules)
    {
        var regions = request.Model.Regions;
        if (request.Home is { } home && regions.Find(home) is { } there
            && DecideAmong(request with { Model = there }, atPeers: true) is { Placement: not null } back)
            return back with { Spill = SpillReason.Conversation };
        var here = DecideAmong(request with { Model = regions.Here });
        var reason = rules.Judge(here.Outcome, !regions.Here.Placements.IsEmpty, request);
        if (reason == SpillReason.None)
            return here;
        var elsewhere = DecideAmong(request with { Model = regions.There }, atPeers: true);
        return elsewhere.Placement is not null
            ? elsewhere with { Spill = reason }
            : here with { Outcome = RegionRules.Join(here.Outcome, elsewhere.Outcome) };
    }

    private SchedulingDecision DecideAmong(in SchedulingRequest request, bool atPeers = false)
    {
        var usable = request.Model.Usable;
        if (usable.IsEmpty)
            return new SchedulingDecision(SchedulingOutcome.NoneUsable, null);
        var candidates = t_candidates ??= new Candidates();
        t_model = request.Model;
        candidates.Gather(request.Model);
        _notTried.Keep(request, candidates);
        if (candidates.Count == 0)
            return new SchedulingDecision(SchedulingOutcome.AllTried, null);
        _guard.Keep(request, candidates);
        if (candidates.Count == 0)
            return new SchedulingDecision(OutcomeWithout(request, candidates), null);
        if (atPeers)
        {
            _peerRoom.Keep(request, candidates);
            if (candidates.Count == 0)
                return new SchedulingDecision(OutcomeWithout(request, candidates), null);
        }

        foreach (var filter in _filters)
        {
            filter.Keep(request, candidates);
            if (candidates.Count == 0)
                return new SchedulingDecision(SchedulingOutcome.Busy, null);
        }

        var policies = _policies.Value;
        foreach (var (scorer, weight) in policies.Scorers)
            scorer.AddScores(request, candidates, weight);
        return new SchedulingDecision(
            SchedulingOutcome.Chosen, usable[candidates.Index[policies.Picker.Pick(candidates.Sum, _random)]].Placement, candidates.GoSlowly);
    }

    /// <summary>The scores of this thread's last decision with candidates, as <c>NAME=SCORE</c>: best first, at most <paramref name="most"/>.</summary>
    /// <remarks>Valid only immediately after <see cref="Decide"/> on the same thread. For telemetry.</remarks>
    public static string[] LastScores(int most)
    {
        if (t_candidates is not { } candidates || t_model is not { } model)
            return [];
        var (index, sums) = (candidates.Index.ToArray(), candidates.Sum.ToArray());
        Array.Sort(sums, index, Comparer<float>.Create((a, b) => b.CompareTo(a)));
        var scores = new string[Math.Min(most, index.Length)];
        for (var i = 0; i < scores.Length; i++)
            scores[i] = string.Create(CultureInfo.InvariantCulture, $"{model.Usable[index[i]].Instance.Name}={sums[i]:0.###}");
        return scores;
    }

    private sealed record Policies((IInstanceScorer Scorer, float Weight)[] Scorers, IInstancePicker Picker);

    /// <summary>The outcome if the guard or the peers' room exclude all candidates: wait if that may end soon, else as if they didn't exist.</summary>
    private static SchedulingOutcome OutcomeWithout(in SchedulingRequest request, Candidates candidates) =>
        candidates.MayComeSoon ? SchedulingOutcome.Busy
        : request.Tried is { Count: > 0 } ? SchedulingOutcome.AllTried
        : SchedulingOutcome.NoneUsable;
}
