using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// Compares settings of the gateway, with several processes for each. Two processes with the same settings differ by up to 6 %, because JIT
/// compilation and code layout vary by chance. The cost of a setting shows only over several processes.
/// </summary>
internal sealed class PairMeasure
{
    private readonly IReadOnlyList<Func<CancellationToken, Task<Target>>> _starts;

    /// <param name="starts">Starts a process for each setting. The others are compared with the first.</param>
    public PairMeasure(params Func<CancellationToken, Task<Target>>[] starts)
    {
        _starts = starts;
        (Rates, Costs, ChunkRates, ChunkCosts) = (None(), None(), None(), None());
    }

    /// <summary>Responses per second, for each setting.</summary>
    public Rounds[] Rates { get; }

    /// <summary>The server's processor time per response, in µs.</summary>
    public Rounds[] Costs { get; }

    /// <summary>Streamed chunks per second.</summary>
    public Rounds[] ChunkRates { get; }

    /// <summary>The server's processor time per chunk, in µs.</summary>
    public Rounds[] ChunkCosts { get; }

    /// <summary>Measures small responses; if <paramref name="streams"/> is true, these are streamed, and chunks are measured, too.</summary>
    public async Task RunAsync(bool streams, int processes, GatewayPlan plan, CancellationToken cancellationToken)
    {
        for (var i = 0; i < processes; i++)
        {
            var targets = new List<Target>();
            try
            {
                foreach (var start in _starts)
                    targets.Add(await start(cancellationToken));
                var all = targets.ToArray();
                var (rates, costs) = await ThroughputMeasure.MeasureAsync(all, streams, plan.PairRounds, plan.PairRound, plan.PairWarmUp, cancellationToken);
                Add(Rates, rates);
                Add(Costs, costs);
                if (!streams)
                    continue;
                (costs, rates) = await ChunkCpuMeasure.MeasureAsync(all, plan.PairChunkRounds, plan, cancellationToken);
                Add(ChunkRates, rates);
                Add(ChunkCosts, costs);
            }
            finally
            {
                foreach (var target in targets)
                    await target.Process.DisposeAsync();
            }
        }
    }

    private static void Add(Rounds[] all, Rounds[] more)
    {
        for (var i = 0; i < all.Length; i++)
            foreach (var value in more[i].Values)
                all[i].Add(value);
    }

    private Rounds[] None() => [.. _starts.Select(_ => new Rounds())];
}
