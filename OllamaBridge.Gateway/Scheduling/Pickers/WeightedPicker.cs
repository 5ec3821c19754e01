namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>By chance, in proportion to the sums: softer than the best where many bridges decide at once.</summary>
internal sealed class WeightedPicker : IInstancePicker
{
    /// <inheritdoc/>
    public string Name => "weighted-random";

    /// <inheritdoc/>
    public int Pick(ReadOnlySpan<Candidate> candidates, Random random)
    {
        var total = 0f;
        foreach (ref readonly var candidate in candidates)
            total += Math.Max(0, candidate.Sum);
        if (total <= 0)
            return random.Next(candidates.Length);
        var at = random.NextSingle() * total;
        for (var i = 0; i < candidates.Length; i++)
        {
            at -= Math.Max(0, candidates[i].Sum);
            if (at < 0)
                return i;
        }

        return candidates.Length - 1;
    }
}
