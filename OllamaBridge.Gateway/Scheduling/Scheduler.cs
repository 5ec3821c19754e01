using System.Globalization;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Chooses an instance for a request: filters, then scorers, then the picker. Pure but for the chance it is given.</summary>
/// <remarks>
/// That an instance has the model, is healthy and not draining is no filter: the snapshot lists, for each model, the instances of
/// which that is so.
/// </remarks>
internal sealed class Scheduler
{
    // A decision's working memory, one for each thread: a decision neither waits nor calls back.
    [ThreadStatic]
    private static Candidates? t_candidates;

    private readonly IInstanceFilter _notTried;
    private readonly IInstanceFilter _guard;
    private readonly IInstanceFilter[] _others;
    private readonly (IInstanceScorer Scorer, float Weight)[] _scorers;
    private readonly IInstancePicker _picker;
    private readonly Random _random;

    public Scheduler(
        IEnumerable<IInstanceFilter> filters,
        IEnumerable<IInstanceScorer> scorers,
        IEnumerable<IInstancePicker> pickers,
        IOptions<SchedulingOptions> options,
        Random random)
    {
        var all = filters.ToArray();
        _notTried = all.OfType<Filters.NotTriedFilter>().Single();
        _guard = all.OfType<Filters.GuardFilter>().Single();
        _others = [.. all.Where(f => f != _notTried && f != _guard)];
        _scorers = [.. scorers
            .Select(s => (s, options.Value.Scorers.TryGetValue(s.Name, out var weight) ? weight : 0f))
            .Where(s => s.Item2 > 0)];
        _picker = pickers.Single(p => string.Equals(p.Name, options.Value.Picker, StringComparison.OrdinalIgnoreCase));
        _random = random;
    }

    /// <summary>Decides. Takes no slot; allocates nothing once a thread has seen a fleet of that size.</summary>
    public SchedulingDecision Decide(in SchedulingRequest request)
    {
        var usable = request.Model.Usable;
        if (usable.IsEmpty)
            return new SchedulingDecision(SchedulingOutcome.NoneUsable, null);
        var candidates = t_candidates ??= new Candidates();
        candidates.Gather(request.Model);
        _notTried.Keep(request, candidates);
        if (candidates.Count == 0)
            return new SchedulingDecision(SchedulingOutcome.AllTried, null);
        _guard.Keep(request, candidates);
        if (candidates.Count == 0)
            return new SchedulingDecision(NobodyMay(request, candidates), null);
        foreach (var filter in _others)
        {
            filter.Keep(request, candidates);
            if (candidates.Count == 0)
                return new SchedulingDecision(SchedulingOutcome.Busy, null);
        }

        foreach (var (scorer, weight) in _scorers)
            scorer.AddScores(request, candidates, weight);
        return new SchedulingDecision(
            SchedulingOutcome.Chosen, usable[candidates.Index[_picker.Pick(candidates.Sum, _random)]].Placement, candidates.GoSlowly);
    }

    /// <summary>What this thread's last decision, for a model that had a choice, gave the candidates that were left: best first, at most so many.</summary>
    /// <remarks>Only right after <see cref="Decide"/>, on the same thread; for those who look on.</remarks>
    public static string[] LastScores(Fleet.ModelView model, int most)
    {
        if (t_candidates is not { } candidates)
            return [];
        var (index, sums) = (candidates.Index.ToArray(), candidates.Sum.ToArray());
        Array.Sort(sums, index, Comparer<float>.Create((a, b) => b.CompareTo(a)));
        var scores = new string[Math.Min(most, index.Length)];
        for (var i = 0; i < scores.Length; i++)
            scores[i] = string.Create(CultureInfo.InvariantCulture, $"{model.Usable[index[i]].Instance.Name}={sums[i]:0.###}");
        return scores;
    }

    /// <summary>All are left alone: that is to wait for where it ends by itself, else as if they were not there.</summary>
    private static SchedulingOutcome NobodyMay(in SchedulingRequest request, Candidates candidates) =>
        candidates.MayComeSoon ? SchedulingOutcome.Busy
        : request.Tried is { Count: > 0 } ? SchedulingOutcome.AllTried
        : SchedulingOutcome.NoneUsable;
}
