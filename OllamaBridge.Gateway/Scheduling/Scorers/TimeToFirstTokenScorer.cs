using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The best recent time to first token over this one's own; 1 where nothing is known, so that it is tried.</summary>
internal sealed class TimeToFirstTokenScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "time-to-first-token";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        var rates = candidates.FirstTokenRate;
        var best = TensorPrimitives.Max(rates);
        if (best > 0)
            TensorPrimitives.MultiplyAdd(rates, weight / best, candidates.Sum, candidates.Sum);
        // Rare once a fleet is at work, so the common case is one look.
        if (TensorPrimitives.Min(rates) > 0)
            return;
        for (var i = 0; i < rates.Length; i++)
            if (rates[i] == 0)
                candidates.Sum[i] += weight;
    }
}
