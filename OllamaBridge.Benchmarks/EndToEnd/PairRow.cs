using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>One row of a result that compares the gateway without a feature and with it.</summary>
/// <param name="What">The name of the figure.</param>
/// <param name="Without">The figure without the feature.</param>
/// <param name="With">The figure with the feature.</param>
/// <param name="Ratio">The ratio of <paramref name="With"/> to <paramref name="Without"/>, computed round by round.</param>
/// <param name="Target">The required value; empty if the row has no target.</param>
/// <param name="Met">Whether the target is met; null if the row has no target.</param>
internal sealed record PairRow(string What, string Without, string With, string Ratio, string Target = "", bool? Met = null)
{
    /// <param name="what">The name of the figure.</param>
    /// <param name="without">The figure without the feature, round by round.</param>
    /// <param name="with">The figure with the feature, round by round.</param>
    /// <param name="format">The .NET format of a figure.</param>
    /// <param name="least">The minimum ratio; null for none.</param>
    /// <param name="most">The maximum ratio; null for none.</param>
    public static PairRow Compare(string what, Rounds without, Rounds with, string format, double? least = null, double? most = null)
    {
        var ratio = Rounds.Combine(with, without, (a, b) => a / b);
        return new PairRow(
            what,
            without.Show(format),
            with.Show(format),
            $"{ratio.Show("0.00")} ×",
            least is { } l ? $"≥ {l} ×" : most is { } m ? $"≤ {m} ×" : "",
            least is { } atLeast ? ratio.Median >= atLeast : most is { } atMost ? ratio.Median <= atMost : null);
    }

    /// <returns>The process's exit code.</returns>
    public static int Publish(string section, IReadOnlyList<PairRow> rows, BenchmarkArguments arguments)
    {
        var table = new MarkdownTable("What", "Without", "With", "Compared", "Target", "Result");
        foreach (var row in rows)
            table.Add(row.What, row.Without, row.With, row.Ratio, row.Target, row.Met is { } met ? MarkdownTable.Result(met) : "");
        MarkdownReport.Publish(section, table.ToString(), arguments);
        return rows.All(r => r.Met != false) ? ExitCodes.Met : ExitCodes.Missed;
    }
}
