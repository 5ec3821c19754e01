namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>Counts durations in classes that grow by a factor, so that any part of them can be told within a tenth. Not safe for threads.</summary>
internal sealed class LatencyCounts
{
    // From 1 ms in steps of a fifth: the last class is of 10 minutes and more.
    private const double Smallest = 0.001;
    private const double Growth = 1.2;
    private const int Classes = 74;
    private readonly int[] _counts = new int[Classes];
    private int _total;

    /// <summary>Counts one.</summary>
    /// <param name="seconds">How long it took.</param>
    public void Add(double seconds)
    {
        var index = seconds <= Smallest ? 0 : (int)Math.Ceiling(Math.Log(seconds / Smallest, Growth));
        _counts[Math.Clamp(index, 0, Classes - 1)]++;
        _total++;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        _total = 0;
    }

    /// <summary>What a part of the durations did not exceed.</summary>
    /// <param name="part">Which part, above 0 and at most 1.</param>
    /// <returns>Seconds, the middle of the class; null where nothing was counted.</returns>
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
