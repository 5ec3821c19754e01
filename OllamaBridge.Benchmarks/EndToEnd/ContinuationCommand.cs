namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures the cost of reading every stream so that it can be resumed, if no stream is interrupted.</summary>
internal static class ContinuationCommand
{
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("continuation", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await BenchmarkFixture.StartAsync(cancellationToken);
        var pair = new PairMeasure(
            stop => bed.StartGatewayAsync("without continuation", new Dictionary<string, string> { ["Bridge__Continuation__Enabled"] = "false" }, null, stop),
            stop => bed.StartGatewayAsync("with continuation", new Dictionary<string, string>(), null, stop));

        Console.Error.WriteLine($"Small streamed responses ({GatewayPlan.Clients} clients) and {GatewayPlan.Streams} streams, with and without continuation…");
        await pair.RunAsync(streams: true, plan.PairProcesses, plan, cancellationToken);
        return
        [
            PairRow.Compare(
                $"Small streamed answers, {GatewayPlan.Clients} clients: requests/s",
                pair.Rates[0], pair.Rates[1], "0", least: GatewayPlan.MinContinuationThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", pair.Costs[0], pair.Costs[1], "0"),
            PairRow.Compare(
                $"{GatewayPlan.Streams} streams: CPU for each chunk, µs",
                pair.ChunkCosts[0], pair.ChunkCosts[1], "0.0", most: GatewayPlan.MaxContinuationChunkCpuRatio),
            PairRow.Compare("… chunks/s", pair.ChunkRates[0], pair.ChunkRates[1], "0"),
        ];
    }
}
