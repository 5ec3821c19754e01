using System.Globalization;

namespace OllamaBridge.Benchmarks.Report;

/// <summary>The same figure from several rounds: its median stands, its range tells how steady it is.</summary>
internal sealed class Rounds
{
    private readonly List<double> _values = [];

    /// <summary>The middle; the mean of the two middles of an even number.</summary>
    public double Median => Percentile(_values, 0.5);

    /// <summary>The least.</summary>
    public double Least => _values.Min();

    /// <summary>The most.</summary>
    public double Most => _values.Max();

    /// <summary>The rounds in their order.</summary>
    public IReadOnlyList<double> Values => _values;

    /// <summary>Takes in one round.</summary>
    public void Add(double value) => _values.Add(value);

    /// <summary>Pairs the rounds of two figures.</summary>
    public static Rounds Combine(Rounds a, Rounds b, Func<double, double, double> combine)
    {
        var result = new Rounds();
        for (var i = 0; i < Math.Min(a._values.Count, b._values.Count); i++)
            result.Add(combine(a._values[i], b._values[i]));
        return result;
    }

    /// <summary>A percentile, interpolated between neighbours.</summary>
    /// <param name="values">In any order; not empty.</param>
    /// <param name="share">From 0 to 1.</param>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }

    /// <summary>Median and range, in a format of the caller's.</summary>
    public string Show(string format)
    {
        return $"{In(Median)} ({In(Least)}–{In(Most)})";

        string In(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
