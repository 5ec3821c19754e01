namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>What it costs to read every stream so that it could be gone on with, where nothing breaks off.</summary>
internal static class ContinuationCommand
{
    /// <summary>Runs the benchmark.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("continuation", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await TestBed.StartAsync(cancellationToken);
        var without = await bed.StartGatewayAsync(
            "without continuation", new Dictionary<string, string> { ["Bridge__Continuation__Enabled"] = "false" }, null, cancellationToken);
        await using var withoutProcess = without.Process;
        var with = await bed.StartGatewayAsync("with continuation", new Dictionary<string, string>(), null, cancellationToken);
        await using var withProcess = with.Process;

        Console.Error.WriteLine($"Small streamed answers with and without continuation, {GatewayPlan.Clients} clients…");
        var (rates, costs) = await ThroughputMeasure.MeasureAsync([without, with], stream: true, plan.PairRounds, plan, cancellationToken);
        Console.Error.WriteLine($"{GatewayPlan.Streams} streams with and without continuation…");
        var (chunkCosts, chunkRates) = await ChunkCpuMeasure.MeasureAsync([without, with], plan, cancellationToken);
        return
        [
            PairRow.Compare(
                $"Small streamed answers, {GatewayPlan.Clients} clients: requests/s", rates[0], rates[1], "0", least: GatewayPlan.MinContinuationThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", costs[0], costs[1], "0"),
            PairRow.Compare(
                $"{GatewayPlan.Streams} streams: CPU for each chunk, µs", chunkCosts[0], chunkCosts[1], "0.0", most: GatewayPlan.MaxContinuationChunkCpuRatio),
            PairRow.Compare("… chunks/s", chunkRates[0], chunkRates[1], "0"),
        ];
    }
}
