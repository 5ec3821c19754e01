using System.Globalization;

namespace OllamaBridge.Benchmarks.Report;

/// <summary>The values of one figure from several rounds. The median is the result; the range shows how stable it is.</summary>
internal sealed class Rounds
{
    private readonly List<double> _values = [];

    /// <summary>The median; for an even number of rounds the mean of the two middle values.</summary>
    public double Median => Percentile(_values, 0.5);

    public double Least => _values.Min();

    public double Most => _values.Max();

    public IReadOnlyList<double> Values => _values;

    public void Add(double value) => _values.Add(value);

    /// <summary>Combines two figures round by round.</summary>
    public static Rounds Combine(Rounds a, Rounds b, Func<double, double, double> combine)
    {
        var result = new Rounds();
        for (var i = 0; i < Math.Min(a._values.Count, b._values.Count); i++)
            result.Add(combine(a._values[i], b._values[i]));
        return result;
    }

    /// <summary>A percentile (share 0 to 1), interpolated linearly between adjacent values. The values are in any order; there must be at least one.</summary>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }

    /// <summary>Median and range in a .NET format.</summary>
    public string Show(string format)
    {
        return $"{In(Median)} ({In(Least)}–{In(Most)})";

        string In(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
