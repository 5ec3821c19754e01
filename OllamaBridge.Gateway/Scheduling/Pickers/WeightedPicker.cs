namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>By chance, in proportion to the sums: softer than the best where many bridges decide at once.</summary>
internal sealed class WeightedPicker : IInstancePicker
{
    /// <inheritdoc/>
    public string Name => "weighted-random";

    /// <inheritdoc/>
    public int Pick(ReadOnlySpan<float> sums, Random random)
    {
        var total = 0f;
        foreach (var sum in sums)
            total += Math.Max(0, sum);
        if (total <= 0)
            return random.Next(sums.Length);
        var at = random.NextSingle() * total;
        for (var i = 0; i < sums.Length; i++)
        {
            at -= Math.Max(0, sums[i]);
            if (at < 0)
                return i;
        }

        return sums.Length - 1;
    }
}
