using BenchmarkDotNet.Reports;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>
/// One row of the result. <paramref name="Decide"/>, <paramref name="Error"/> (half of the 99.9 % confidence interval) and
/// <paramref name="Baseline"/> are in µs; <paramref name="Allocated"/> is in bytes for <see cref="CountedDecisions"/> decisions.
/// </summary>
internal sealed record SchedulingFigure(Situation Situation, int Instances, double Decide, double Error, double Baseline, long Allocated)
{
    public const int CountedDecisions = 10_000;

    private const double Microsecond = 1000;

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
