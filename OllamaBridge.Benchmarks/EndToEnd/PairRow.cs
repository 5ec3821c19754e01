using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// One row of a result that compares the gateway without a feature and with it. <paramref name="Ratio"/> is with over without, computed round by round.
/// <paramref name="Target"/> is empty and <paramref name="Met"/> is null if the row has no target.
/// </summary>
internal sealed record PairRow(string What, string Without, string With, string Ratio, string Target = "", bool? Met = null)
{
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

    public static int Publish(string section, IReadOnlyList<PairRow> rows, BenchmarkArguments arguments)
    {
        var table = new MarkdownTable("What", "Without", "With", "Compared", "Target", "Result");
        foreach (var row in rows)
            table.Add(row.What, row.Without, row.With, row.Ratio, row.Target, row.Met is { } met ? MarkdownTable.Result(met) : "");
        MarkdownReport.Publish(section, table.ToString(), arguments);
        return rows.All(r => r.Met != false) ? ExitCodes.Met : ExitCodes.Missed;
    }
}
