using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The best recent time to first token over this one's own; 1 where nothing is known, so that it is tried.</summary>
internal sealed class TimeToFirstTokenScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "time-to-first-token";

    /// <inheritdoc/>
    public void AddScores(
        in SchedulingRequest request,
        ReadOnlySpan<ModelPlacement> placements,
        ReadOnlySpan<int> candidates,
        Span<float> sums,
        float weight)
    {
        var best = double.PositiveInfinity;
        foreach (var index in candidates)
            best = Math.Min(best, Known(placements[index]));
        for (var i = 0; i < candidates.Length; i++)
        {
            var own = Known(placements[candidates[i]]);
            sums[i] += weight * (double.IsPositiveInfinity(own) ? 1f : (float)(best / own));
        }
    }

    /// <summary>Seconds, never zero; infinity where unknown.</summary>
    private static double Known(ModelPlacement placement)
    {
        var value = placement.State.TimeToFirstToken.Value;
        return double.IsNaN(value) ? double.PositiveInfinity : Math.Max(value, 1e-6);
    }
}
