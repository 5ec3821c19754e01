namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>The highest sum; chance among equals.</summary>
internal sealed class BestPicker : IInstancePicker
{
    // Sums are made of a handful of floats: what differs by less is the same.
    private const float Tolerance = 1e-4f;

    /// <inheritdoc/>
    public string Name => "best";

    /// <inheritdoc/>
    public int Pick(ReadOnlySpan<float> sums, Random random)
    {
        var chosen = 0;
        var equals = 1;
        for (var i = 1; i < sums.Length; i++)
        {
            var difference = sums[i] - sums[chosen];
            if (difference > Tolerance)
            {
                chosen = i;
                equals = 1;
            }
            else if (difference >= -Tolerance && random.Next(++equals) == 0)
            {
                // Reservoir sampling: each of the equals ends up chosen with the same chance.
                chosen = i;
            }
        }

        return chosen;
    }
}
