using OllamaBridge.Benchmarks.Report;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// Settings of the gateway beside each other, each in several processes: two processes of one setting differ by up to 6 %, for what of their code is
/// compiled how, and lies where, is a matter of luck. A setting's cost is seen only over some of them.
/// </summary>
internal sealed class PairMeasure
{
    private readonly IReadOnlyList<Func<CancellationToken, Task<Target>>> _starts;

    /// <summary>Makes one.</summary>
    /// <param name="starts">What starts each; the first is what the others are compared with.</param>
    public PairMeasure(params Func<CancellationToken, Task<Target>>[] starts)
    {
        _starts = starts;
        (Rates, Costs, ChunkRates, ChunkCosts) = (None(), None(), None(), None());
    }

    /// <summary>Answers per second.</summary>
    public Rounds[] Rates { get; }

    /// <summary>Processor time of the server for each, in µs.</summary>
    public Rounds[] Costs { get; }

    /// <summary>Chunks of streams per second.</summary>
    public Rounds[] ChunkRates { get; }

    /// <summary>Processor time of the server for each, in µs.</summary>
    public Rounds[] ChunkCosts { get; }

    /// <summary>Measures.</summary>
    /// <param name="streams">Whether it is about streams: small answers are streamed, and chunks are measured besides.</param>
    /// <param name="processes">How many of each setting.</param>
    /// <param name="plan">How long.</param>
    /// <param name="cancellationToken">Ends it.</param>
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
