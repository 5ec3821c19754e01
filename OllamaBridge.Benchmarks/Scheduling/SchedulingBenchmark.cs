using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>One decision of the scheduler as the gateway configures it, beside the plainest loop that could make one.</summary>
public class SchedulingBenchmark
{
    // A power of two: the next conversation costs an AND.
    private const int Conversations = 256;
    private readonly ulong[] _affinities = new ulong[Conversations];
    private ServiceProvider? _services;
    private Scheduler _scheduler = null!;
    private SchedulingRequest _request;
    private int _next;

    /// <summary>Instances in the fleet, each of which has the model on disk.</summary>
    [Params(10, 100, 1000)]
    public int Instances { get; set; }

    /// <summary>What they are doing.</summary>
    [ParamsAllValues]
    public Situation Situation { get; set; }

    /// <summary>Builds the fleet and the scheduler with its default policies.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(17);
        for (var i = 0; i < Conversations; i++)
            _affinities[i] = (ulong)random.NextInt64(1, long.MaxValue);
        _services = new ServiceCollection()
            .AddSingleton<IConfiguration>(new ConfigurationBuilder().Build())
            .AddSingleton(TimeProvider.System)
            .AddScheduling()
            .BuildServiceProvider();
        _scheduler = _services.GetRequiredService<Scheduler>();
        _request = FleetFixture.Build(Instances, Situation);
    }

    /// <summary>Lets the scheduler go.</summary>
    [GlobalCleanup]
    public void Cleanup() => _services?.Dispose();

    /// <summary>Counts what decisions allocate: to the byte, on this thread alone. BenchmarkDotNet's own count is the whole process's.</summary>
    /// <param name="decisions">How many to make.</param>
    /// <returns>Bytes for all of them together.</returns>
    public long CountAllocated(int decisions)
    {
        // The first decision may make what stays, such as the random source of this thread.
        Decide();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < decisions; i++)
            Decide();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>The gateway's decision: every request belongs to a conversation, which is the dearer case.</summary>
    [Benchmark]
    public object? Decide()
    {
        _next = (_next + 1) & (Conversations - 1);
        return _scheduler.Decide(_request with { Affinity = _affinities[_next] }).Placement;
    }

    /// <summary>The baseline: the usable instance with the fewest requests, whatever it has in memory.</summary>
    [Benchmark(Baseline = true)]
    public object? LeastLoaded()
    {
        ModelPlacement? best = null;
        var fewest = int.MaxValue;
        foreach (var placement in _request.Model.Placements.AsSpan())
        {
            var used = placement.Instance.SlotsUsed;
            if (used >= fewest || used >= placement.Instance.Slots || !placement.View.IsUsable)
                continue;
            fewest = used;
            best = placement;
        }

        return best;
    }
}
