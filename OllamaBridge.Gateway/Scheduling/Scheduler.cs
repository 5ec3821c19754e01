using System.Buffers;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Chooses an instance for a request: filters, then scorers, then the picker. Pure but for the chance it is given.</summary>
internal sealed class Scheduler
{
    // Up to here candidates live on the stack (8 bytes each); beyond, in pooled arrays.
    private const int MaxOnStack = 1024;
    private readonly IInstanceFilter[] _must;
    private readonly IInstanceFilter _notTried;
    private readonly IInstanceFilter _usable;
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
        _usable = all.OfType<Filters.UsableFilter>().Single();
        _notTried = all.OfType<Filters.NotTriedFilter>().Single();
        _must = [.. all.Where(f => f != _usable && f != _notTried)];
        _scorers = [.. scorers
            .Select(s => (s, options.Value.Scorers.TryGetValue(s.Name, out var weight) ? weight : 0f))
            .Where(s => s.Item2 > 0)];
        _picker = pickers.Single(p => string.Equals(p.Name, options.Value.Picker, StringComparison.OrdinalIgnoreCase));
        _random = random;
    }

    /// <summary>Decides. Takes no slot; allocates nothing up to 1,024 instances.</summary>
    public SchedulingDecision Decide(in SchedulingRequest request)
    {
        var placements = request.Model.Placements.AsSpan();
        if (placements.Length <= MaxOnStack)
            return Decide(request, placements, stackalloc int[placements.Length], stackalloc float[placements.Length]);

        var candidates = ArrayPool<int>.Shared.Rent(placements.Length);
        var sums = ArrayPool<float>.Shared.Rent(placements.Length);
        try
        {
            return Decide(request, placements, candidates.AsSpan(0, placements.Length), sums);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(candidates);
            ArrayPool<float>.Shared.Return(sums);
        }
    }

    private SchedulingDecision Decide(
        in SchedulingRequest request,
        ReadOnlySpan<ModelPlacement> placements,
        Span<int> candidates,
        Span<float> sums)
    {
        for (var i = 0; i < candidates.Length; i++)
            candidates[i] = i;
        candidates = candidates[.._usable.Keep(request, placements, candidates)];
        if (candidates.IsEmpty)
            return new SchedulingDecision(SchedulingOutcome.NoneUsable, null);
        candidates = candidates[.._notTried.Keep(request, placements, candidates)];
        if (candidates.IsEmpty)
            return new SchedulingDecision(SchedulingOutcome.AllTried, null);
        foreach (var filter in _must)
        {
            candidates = candidates[..filter.Keep(request, placements, candidates)];
            if (candidates.IsEmpty)
                return new SchedulingDecision(SchedulingOutcome.Busy, null);
        }

        sums = sums[..candidates.Length];
        sums.Clear();
        foreach (var (scorer, weight) in _scorers)
            scorer.AddScores(request, placements, candidates, sums, weight);
        return new SchedulingDecision(SchedulingOutcome.Chosen, placements[candidates[_picker.Pick(sums, _random)]]);
    }
}
