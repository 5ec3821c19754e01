using BenchmarkDotNet.Reports;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>One line of the result.</summary>
/// <param name="Situation">What the fleet is doing.</param>
/// <param name="Instances">How large it is.</param>
/// <param name="Decide">Mean time of a decision, in µs.</param>
/// <param name="Error">Half of the mean's 99.9 % confidence interval, in µs.</param>
/// <param name="Baseline">Mean time of the plain loop, in µs.</param>
/// <param name="Allocated">Bytes for <see cref="CountedDecisions"/> decisions.</param>
internal sealed record SchedulingFigure(Situation Situation, int Instances, double Decide, double Error, double Baseline, long Allocated)
{
    /// <summary>How many decisions the count of allocated bytes is of.</summary>
    public const int CountedDecisions = 10_000;

    private const double Microsecond = 1000;

    /// <summary>Makes it of the two reports of one situation.</summary>
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
