namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// Compares this build of the gateway with another one, such as that of an earlier commit: small responses, and chunks of streams. The baseline is the
/// other build.
/// </summary>
internal static class CompareCommand
{
    public const string Name = "compare";

    /// <summary>Measures both builds. The folder of the other one contains <c>OllamaBridge.Gateway.dll</c>.</summary>
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        await using var servers = await BenchmarkFixture.StartAsync(deadline.Token);
        var none = new Dictionary<string, string>();
        PairMeasure Pair() => new(
            stop => servers.StartGatewayAsync("the other build", none, null, stop, Path.GetFullPath(arguments.Baseline!)),
            stop => servers.StartGatewayAsync("this build", none, null, stop));
        var (small, streams) = (Pair(), Pair());
        Console.Error.WriteLine("Small responses of both builds…");
        await small.RunAsync(streams: false, plan.PairProcesses, plan, deadline.Token);
        Console.Error.WriteLine("Streams of both builds…");
        await streams.RunAsync(streams: true, processes: 1, plan, deadline.Token);
        return PairRow.Publish(
            Name,
            [
                PairRow.Compare(
                    $"Small answers, {GatewayPlan.Clients} clients: requests/s",
                    small.Rates[0],
                    small.Rates[1],
                    "0",
                    least: GatewayPlan.MinBuildThroughputRatio),
                PairRow.Compare("… CPU of the gateway for each, µs", small.Costs[0], small.Costs[1], "0"),
                PairRow.Compare(
                    $"{GatewayPlan.Streams} streams: CPU for each chunk, µs",
                    streams.ChunkCosts[0],
                    streams.ChunkCosts[1],
                    "0.0",
                    most: GatewayPlan.MaxBuildChunkCpuRatio),
                PairRow.Compare("… chunks/s", streams.ChunkRates[0], streams.ChunkRates[1], "0"),
            ],
            arguments);
    }
}
