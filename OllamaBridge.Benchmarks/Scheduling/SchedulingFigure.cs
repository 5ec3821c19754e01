using BenchmarkDotNet.Reports;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>One row of the result.</summary>
/// <param name="Situation">The state of the fleet.</param>
/// <param name="Instances">The number of instances.</param>
/// <param name="Decide">The mean time of a decision, in µs.</param>
/// <param name="Error">Half of the mean's 99.9 % confidence interval, in µs.</param>
/// <param name="Baseline">The mean time of the simple loop, in µs.</param>
/// <param name="Allocated">The bytes that <see cref="CountedDecisions"/> decisions allocate.</param>
internal sealed record SchedulingFigure(Situation Situation, int Instances, double Decide, double Error, double Baseline, long Allocated)
{
    /// <summary>The number of decisions in <see cref="Allocated"/>.</summary>
    public const int CountedDecisions = 10_000;

    private const double Microsecond = 1000;

    /// <summary>Combines the two reports of one situation.</summary>
    public static SchedulingFigure From(Situation situation, int instances, IEnumerable<BenchmarkReport> reports)
    {
        var all = reports.ToDictionary(r => r.BenchmarkCase.Descriptor.WorkloadMethod.Name);
        var decide = all[nameof(SchedulingBenchmark.Decide)];
        var statistics = decide.ResultStatistics!;
        return new SchedulingFigure(
            situation,
            instances,
            statistics.Mean / Microsecond,
            statistics.ConfidenceInterval.Margin / Microsecond,
            all[nameof(SchedulingBenchmark.LeastLoaded)].ResultStatistics!.Mean / Microsecond,
            CountAllocated(situation, instances));
    }

    private static long CountAllocated(Situation situation, int instances)
    {
        var benchmark = new SchedulingBenchmark { Situation = situation, Instances = instances };
        benchmark.Setup();
        try
        {
            return benchmark.CountAllocated(CountedDecisions);
        }
        finally
        {
            benchmark.Cleanup();
        }
    }
}
