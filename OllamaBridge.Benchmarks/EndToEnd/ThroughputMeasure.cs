using OllamaBridge.Benchmarks.Load;
using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures the requests per second of small responses with 16 clients in a closed loop.</summary>
internal static class ThroughputMeasure
{
    private const int WarmUpPasses = 4;

    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(Target[] targets, GatewayPlan plan, CancellationToken cancellationToken)
    {
        var (rates, costs) = await MeasureAsync(targets, stream: false, plan.Rounds, plan.Round, plan.WarmUp, cancellationToken);
        return Rows(rates, costs);
    }

    /// <summary>Warms the targets up and measures them.</summary>
    /// <returns>For each target the responses per second, and its server's processor time per response, in µs.</returns>
    public static async Task<(Rounds[] Rates, Rounds[] Costs)> MeasureAsync(
        Target[] targets, bool stream, int rounds, TimeSpan round, TimeSpan warmUp, CancellationToken cancellationToken)
    {
        var loops = new List<ClosedLoop>();
        try
        {
            foreach (var target in targets)
                loops.Add(await ClosedLoop.OpenAsync(
                    target,
                    GatewayPlan.Clients,
                    (server, i) => ChatRequest.Make(server, SimulatorFleet.InstantModel, i, GatewayPlan.SmallAnswer, stream, target.KeyOf(i)),
                    cancellationToken));
            // In several passes: a target's background compilation finishes while the other targets run.
            foreach (var i in Turns.Of(targets.Length, WarmUpPasses))
                await loops[i].RunForAsync(warmUp / WarmUpPasses, cancellationToken);

            var rates = targets.Select(_ => new Rounds()).ToArray();
            var costs = targets.Select(_ => new Rounds()).ToArray();
            foreach (var i in Turns.Of(targets.Length, rounds))
            {
                var before = targets[i].Process.Cpu;
                var (answers, seconds) = await loops[i].RunForAsync(round, cancellationToken);
                rates[i].Add(answers / seconds);
                costs[i].Add((targets[i].Process.Cpu - before).TotalMicroseconds / answers);
            }

            return (rates, costs);
        }
        finally
        {
            loops.ForEach(l => l.Dispose());
        }
    }

    private static GatewayRow[] Rows(Rounds[] rates, Rounds[] costs)
    {
        var ratio = Rounds.Combine(rates[2], rates[1], (gateway, yarp) => gateway / yarp);
        var cost = Rounds.Combine(costs[2], costs[1], (gateway, yarp) => gateway / yarp);
        return
        [
            new GatewayRow(
                $"Small answers, {GatewayPlan.Clients} clients: requests/s",
                rates[0].Show("0"), rates[1].Show("0"), rates[2].Show("0"), $"{ratio.Show("0.00")} × YARP",
                $"≥ {GatewayPlan.MinThroughputRatio} × YARP", ratio.Median >= GatewayPlan.MinThroughputRatio),
            new GatewayRow(
                "… CPU of the server for each, µs", costs[0].Show("0"), costs[1].Show("0"), costs[2].Show("0"), $"{cost.Show("0.00")} × YARP"),
        ];
    }
}
