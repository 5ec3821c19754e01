namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The share of slots that is free.</summary>
internal sealed class LoadScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "load";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Span<Candidate> candidates, float weight)
    {
        foreach (ref var candidate in candidates)
            candidate.Sum += weight * candidate.Free;
    }
}
