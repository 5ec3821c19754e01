using OllamaBridge.Benchmarks.Load;
using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures the latency of small responses that are not streamed, one request at a time.</summary>
internal static class LatencyMeasure
{
    /// <remarks>The targets must be warm.</remarks>
    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(Target[] targets, GatewayPlan plan, CancellationToken cancellationToken)
    {
        var loops = new List<ClosedLoop>();
        try
        {
            foreach (var target in targets)
                loops.Add(await ClosedLoop.OpenAsync(
                    target,
                    clients: 3,
                    (server, i) => ChatRequest.Make(server, SimulatorFleet.InstantModel, i, GatewayPlan.SmallAnswer, stream: false),
                    cancellationToken));
            foreach (var loop in loops)
                await loop.TimeAsync([], plan.LatencyRequests, cancellationToken);

            var medians = targets.Select(_ => new Rounds()).ToArray();
            var tails = targets.Select(_ => new Rounds()).ToArray();
            foreach (var i in Turns.Of(targets.Length, plan.Rounds))
            {
                var times = new List<double>(plan.LatencyRequests);
                await loops[i].TimeAsync(times, plan.LatencyRequests, cancellationToken);
                medians[i].Add(Rounds.Percentile(times, 0.5));
                tails[i].Add(Rounds.Percentile(times, 0.99));
            }

            return Rows(medians, tails);
        }
        finally
        {
            loops.ForEach(l => l.Dispose());
        }
    }

    private static GatewayRow[] Rows(Rounds[] medians, Rounds[] tails)
    {
        var overYarp = Rounds.Combine(medians[2], medians[1], (gateway, yarp) => gateway - yarp);
        var overDirect = Rounds.Combine(medians[2], medians[0], (gateway, direct) => gateway - direct);
        const string Format = "0.000";
        return
        [
            new GatewayRow(
                "One at a time: median latency, ms",
                medians[0].Show(Format), medians[1].Show(Format), medians[2].Show(Format), $"{overYarp.Show(Format)} over YARP",
                $"≤ {GatewayPlan.MaxAddedLatency} ms added", overYarp.Median <= GatewayPlan.MaxAddedLatency),
            new GatewayRow(
                "… beside a direct connection", "", "", "", $"{overDirect.Show(Format)} over direct",
                $"≤ {GatewayPlan.MaxAddedLatency} ms added", overDirect.Median <= GatewayPlan.MaxAddedLatency),
            new GatewayRow("… 99th percentile, ms", tails[0].Show(Format), tails[1].Show(Format), tails[2].Show(Format), ""),
        ];
    }
}
