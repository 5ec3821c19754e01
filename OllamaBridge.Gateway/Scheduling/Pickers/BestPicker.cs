namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>The highest sum; chance among equals.</summary>
internal sealed class BestPicker : IInstancePicker
{
    // Sums are made of a handful of floats: what differs by less is the same.
    private const float Tolerance = 1e-4f;

    /// <inheritdoc/>
    public string Name => "best";

    /// <inheritdoc/>
    public int Pick(ReadOnlySpan<Candidate> candidates, Random random)
    {
        var highest = float.NegativeInfinity;
        foreach (ref readonly var candidate in candidates)
            if (candidate.Sum > highest)
                highest = candidate.Sum;
        var equals = 0;
        foreach (ref readonly var candidate in candidates)
            if (candidate.Sum >= highest - Tolerance)
                equals++;
        var chosen = equals == 1 ? 0 : random.Next(equals);
        for (var i = 0; i < candidates.Length; i++)
            if (candidates[i].Sum >= highest - Tolerance && chosen-- == 0)
                return i;
        return 0;
    }
}
