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
        var value = Volatile.Read(ref _value);
        Volatile.Write(ref _value, double.IsNaN(value) ? sample : value + (weight * (sample - value)));
    }
}
