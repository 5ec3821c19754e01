namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The best recent time to first token over this one's own; 1 where nothing is known, so that it is tried.</summary>
internal sealed class TimeToFirstTokenScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "time-to-first-token";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Span<Candidate> candidates, float weight)
    {
        var best = float.PositiveInfinity;
        foreach (ref readonly var candidate in candidates)
            if (candidate.TimeToFirstToken < best)
                best = candidate.TimeToFirstToken;
        foreach (ref var candidate in candidates)
            candidate.Sum += float.IsPositiveInfinity(candidate.TimeToFirstToken) ? weight : weight * best / candidate.TimeToFirstToken;
    }
}
