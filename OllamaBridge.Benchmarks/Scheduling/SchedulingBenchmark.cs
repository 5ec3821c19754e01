using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>One decision of the scheduler with the gateway's default policies, compared with the simplest possible loop.</summary>
public class SchedulingBenchmark
{
    // A power of two, so that selecting the next conversation costs one AND.
    private const int Conversations = 256;
    private readonly ulong[] _affinities = new ulong[Conversations];
    private ServiceProvider? _services;
    private Scheduler _scheduler = null!;
    private SchedulingRequest _request;
    private int _next;

    /// <summary>Instances in the fleet, each of which has the model on disk.</summary>
    [Params(10, 100, 1000)]
    public int Instances { get; set; }

    [ParamsAllValues]
    public Situation Situation { get; set; }

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

    [GlobalCleanup]
    public void Cleanup() => _services?.Dispose();

    /// <summary>Counts the bytes that a number of decisions allocate on this thread. BenchmarkDotNet counts those of the whole process.</summary>
    public long CountAllocated(int decisions)
    {
        // The first decision can create objects that stay, such as this thread's random source.
        Decide();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < decisions; i++)
            Decide();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>The gateway's decision. Every request belongs to a conversation, which is the more expensive case.</summary>
    [Benchmark]
    public object? Decide()
    {
        _next = (_next + 1) & (Conversations - 1);
        return _scheduler.Decide(_request with { Affinity = _affinities[_next] }).Placement;
    }

    /// <summary>The baseline: the usable instance with the fewest requests, regardless of the models in its memory.</summary>
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
