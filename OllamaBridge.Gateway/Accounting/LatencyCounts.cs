namespace OllamaBridge.Gateway.Accounting;

/// <summary>A histogram of durations with exponential buckets, which gives quantiles within a tenth. Not thread-safe.</summary>
internal sealed class LatencyCounts
{
    // From 1 ms in steps of a fifth. The last bucket is for 10 minutes and more.
    private const double Smallest = 0.001;
    private const double Growth = 1.2;
    private const int Classes = 74;
    private readonly int[] _counts = new int[Classes];
    private int _total;

    public void Add(double seconds)
    {
        var index = seconds <= Smallest ? 0 : (int)Math.Ceiling(Math.Log(seconds / Smallest, Growth));
        _counts[Math.Clamp(index, 0, Classes - 1)]++;
        _total++;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        _total = 0;
    }

    /// <summary>Returns the <paramref name="part"/> quantile (above 0 and at most 1) in seconds, as the middle of its bucket; null without durations.</summary>
    public double? Quantile(double part)
    {
        if (_total == 0)
            return null;
        var left = (int)Math.Ceiling(part * _total);
        var index = 0;
        while (index < Classes - 1 && (left -= _counts[index]) > 0)
            index++;
        return Math.Round(Smallest * Math.Pow(Growth, index - 0.5), 4);
    }
}
