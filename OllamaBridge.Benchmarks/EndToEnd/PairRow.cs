using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>One line of a result that sets the gateway beside itself: without something, and with it.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Without">Without it.</param>
/// <param name="With">With it.</param>
/// <param name="Ratio">With over without, round by round.</param>
/// <param name="Target">What is asked for; empty where the line only informs.</param>
/// <param name="Met">Whether it is; null where the line only informs.</param>
internal sealed record PairRow(string What, string Without, string With, string Ratio, string Target = "", bool? Met = null)
{
    /// <summary>Compares.</summary>
    /// <param name="what">What was measured.</param>
    /// <param name="without">Without it, round by round.</param>
    /// <param name="with">With it.</param>
    /// <param name="format">How a figure is written.</param>
    /// <param name="least">The least ratio that is asked for; null for none.</param>
    /// <param name="most">The highest; null for none.</param>
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

    /// <summary>Publishes the rows as a section.</summary>
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
