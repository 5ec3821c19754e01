namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>Picks randomly, in proportion to the sums. Spreads requests better than the best sum if many bridges decide at the same time.</summary>
internal sealed class WeightedPicker : IInstancePicker
{
    public string Name => "weighted-random";

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
