using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>Scores the best recent time to first token divided by the instance's own; 1 if unknown, so that the instance gets requests.</summary>
internal sealed class TimeToFirstTokenScorer : IInstanceScorer
{
    public string Name => "time-to-first-token";

    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        var rates = candidates.FirstTokenRate;
        var best = TensorPrimitives.Max(rates);
        if (best > 0)
            TensorPrimitives.MultiplyAdd(rates, weight / best, candidates.Sum, candidates.Sum);
        // Unknown rates are rare in a busy fleet, so the common case is one vector operation.
        if (TensorPrimitives.Min(rates) > 0)
            return;
        for (var i = 0; i < rates.Length; i++)
            if (rates[i] == 0)
                candidates.Sum[i] += weight;
    }
}
