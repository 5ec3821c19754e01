using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Compares the gateway with bare YARP and with a direct connection, and checks its performance targets.</summary>
internal static class GatewayCommand
{
    // Several times the duration of a full run on two cores.
    internal static readonly TimeSpan Deadline = TimeSpan.FromMinutes(20);

    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        var rows = await MeasureAsync(plan, deadline.Token);
        MarkdownReport.Publish("gateway", Table(rows), arguments);
        return rows.All(r => r.Met != false) ? ExitCodes.Met : ExitCodes.Missed;
    }

    private static async Task<List<GatewayRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        var rows = new List<GatewayRow>();
        await using var bed = await BenchmarkFixture.StartAsync(cancellationToken);
        var yarp = await bed.StartYarpAsync(cancellationToken);
        await using (yarp.Process)
        {
            var gateway = await bed.StartGatewayAsync(cancellationToken);
            await using (gateway.Process)
            {
                Say($"Small answers, {GatewayPlan.Clients} clients…");
                rows.AddRange(await ThroughputMeasure.RunAsync([bed.Direct, yarp, gateway], plan, cancellationToken));
                Say("One at a time…");
                rows.AddRange(await LatencyMeasure.RunAsync([bed.Direct, yarp, gateway], plan, cancellationToken));
                Say($"{GatewayPlan.Streams} streams…");
                rows.AddRange(await ChunkCpuMeasure.RunAsync([yarp, gateway], plan, cancellationToken));
            }
        }

        Say($"{GatewayPlan.OpenStreams} open streams…");
        rows.AddRange(await OpenStreamsMeasure.RunAsync(bed, plan, cancellationToken));
        return rows;
    }

    private static string Table(List<GatewayRow> rows)
    {
        var table = new MarkdownTable("What", "Direct", "Bare YARP", "Gateway", "Gateway compared", "Target", "Result");
        foreach (var row in rows)
            table.Add(row.What, row.Direct, row.Yarp, row.Gateway, row.Compared, row.Target, row.Met is { } met ? MarkdownTable.Result(met) : "");
        return table.ToString();
    }

    private static void Say(string text) => Console.Error.WriteLine(text);
}
