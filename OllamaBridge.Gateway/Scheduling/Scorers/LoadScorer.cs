using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The share of slots that is free.</summary>
internal sealed class LoadScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "load";

    /// <inheritdoc/>
    public void AddScores(
        in SchedulingRequest request,
        ReadOnlySpan<ModelPlacement> placements,
        ReadOnlySpan<int> candidates,
        Span<float> sums,
        float weight)
    {
        for (var i = 0; i < candidates.Length; i++)
        {
            var instance = placements[candidates[i]].Instance;
            sums[i] += weight * (1f - Math.Min(1f, (float)instance.SlotsUsed / instance.Slots));
        }
    }
}
