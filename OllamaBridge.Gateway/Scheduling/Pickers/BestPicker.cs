using System.Numerics;
using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Pickers;

/// <summary>Picks the highest sum, and a random one of equal sums.</summary>
internal sealed class BestPicker : IInstancePicker
{
    // Sums of a few floats: a smaller difference is a rounding error.
    private const float Tolerance = 1e-4f;

    public string Name => "best";

    public int Pick(ReadOnlySpan<float> sums, Random random)
    {
        var enough = TensorPrimitives.Max(sums) - Tolerance;
        var equals = CountAtLeast(sums, enough);
        if (equals == 1)
            return TensorPrimitives.IndexOfMax(sums);
        var chosen = random.Next(equals);
        for (var i = 0; i < sums.Length; i++)
            if (sums[i] >= enough && chosen-- == 0)
                return i;
        return 0;
    }

    private static int CountAtLeast(ReadOnlySpan<float> values, float threshold)
    {
        var thresholds = new Vector<float>(threshold);
        var counts = Vector<int>.Zero;
        var i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
            counts -= Vector.GreaterThanOrEqual(new Vector<float>(values[i..]), thresholds);
        var count = Vector.Sum(counts);
        for (; i < values.Length; i++)
            count += values[i] >= threshold ? 1 : 0;
        return count;
    }
}
