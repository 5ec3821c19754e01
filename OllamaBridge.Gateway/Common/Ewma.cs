namespace OllamaBridge.Gateway.Common;

/// <summary>An exponentially weighted moving average. Thread-safe; a lost update is harmless.</summary>
internal sealed class Ewma(double weight)
{
    private double _value = double.NaN;

    /// <summary>The mean, in the unit of the samples; <see cref="double.NaN"/> before the first sample.</summary>
    public double Value => Volatile.Read(ref _value);

    public void Add(double sample)
    {
        Volatile.Write(ref _value, Next(Volatile.Read(ref _value), sample, weight));
    }

    /// <summary><paramref name="mean"/> is <see cref="double.NaN"/> before the first sample; <paramref name="weight"/> is from 0 to 1.</summary>
    public static double Next(double mean, double sample, double weight) => double.IsNaN(mean) ? sample : mean + (weight * (sample - mean));
}
