using System.Diagnostics;
using OllamaBridge.Benchmarks.Load;
using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures a proxy's processor time per streamed chunk. The streams have the pace of a GPU, far below the machine's capacity.</summary>
internal static class ChunkCpuMeasure
{
    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(Target[] proxies, GatewayPlan plan, CancellationToken cancellationToken)
    {
        var (costs, rates) = await MeasureAsync(proxies, plan.Rounds, plan, cancellationToken);
        var ratio = Rounds.Combine(costs[1], costs[0], (gateway, yarp) => gateway / yarp);
        return
        [
            new GatewayRow(
                $"{GatewayPlan.Streams} streams: CPU for each chunk, µs", "–", costs[0].Show("0.0"), costs[1].Show("0.0"), $"{ratio.Show("0.00")} × YARP",
                $"≤ {GatewayPlan.MaxChunkCpuRatio} × YARP", ratio.Median <= GatewayPlan.MaxChunkCpuRatio),
            new GatewayRow("… chunks/s", "–", rates[0].Show("0"), rates[1].Show("0"), ""),
        ];
    }

    /// <returns>For each proxy the processor time per chunk, in µs, and the chunks per second.</returns>
    public static async Task<(Rounds[] Costs, Rounds[] Rates)> MeasureAsync(Target[] proxies, int rounds, GatewayPlan plan, CancellationToken cancellationToken)
    {
        var loops = new List<ClosedLoop>();
        try
        {
            foreach (var proxy in proxies)
                loops.Add(await ClosedLoop.OpenAsync(
                    proxy,
                    GatewayPlan.Streams,
                    (server, i) => ChatRequest.Make(server, SimulatorFleet.PacedModel, i, plan.StreamTokens, stream: true, proxy.KeyOf(i)),
                    cancellationToken));
            foreach (var loop in loops)
                await loop.RunOnceAsync(cancellationToken);

            var costs = proxies.Select(_ => new Rounds()).ToArray();
            var rates = proxies.Select(_ => new Rounds()).ToArray();
            foreach (var i in Turns.Of(proxies.Length, rounds))
            {
                var before = proxies[i].Process.Cpu;
                var start = Stopwatch.GetTimestamp();
                var lines = await loops[i].RunOnceAsync(cancellationToken);
                // One line for each token, and the last line with "done":true.
                if (lines != GatewayPlan.Streams * (plan.StreamTokens + 1L))
                    throw new MeasurementException(
                        $"{proxies[i].Name}: {lines} lines were received instead of {GatewayPlan.Streams * (plan.StreamTokens + 1L)}");
                rates[i].Add(lines / Stopwatch.GetElapsedTime(start).TotalSeconds);
                costs[i].Add((proxies[i].Process.Cpu - before).TotalMicroseconds / lines);
            }

            return (costs, rates);
        }
        finally
        {
            loops.ForEach(l => l.Dispose());
        }
    }
}
