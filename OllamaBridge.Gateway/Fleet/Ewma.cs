namespace OllamaBridge.Gateway.Fleet;

/// <summary>An exponentially weighted mean that many threads may feed; a lost update is harmless.</summary>
internal sealed class Ewma(double weight)
{
    private double _value = double.NaN;

    /// <summary>The mean, in the unit that was fed; <see cref="double.NaN"/> before the first sample.</summary>
    public double Value => Volatile.Read(ref _value);

    /// <summary>Takes one sample in.</summary>
    public void Add(double sample)
    {
        Volatile.Write(ref _value, Next(Volatile.Read(ref _value), sample, weight));
    }

    /// <summary>The mean after one more sample.</summary>
    /// <param name="mean">The mean so far; <see cref="double.NaN"/> before the first.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="weight">How much it counts, from 0 to 1.</param>
    public static double Next(double mean, double sample, double weight) => double.IsNaN(mean) ? sample : mean + (weight * (sample - mean));
}
