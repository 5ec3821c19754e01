using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using OllamaBridge.Benchmarks.Report;
using Perfolizer.Horology;

namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>Measures the scheduling decision and checks its performance targets.</summary>
internal static class SchedulingCommand
{
    private const double MaxMicroseconds = 10;
    private const int JudgedInstances = 1000;

    public static int Run(BenchmarkArguments arguments)
    {
        var summary = BenchmarkRunner.Run<SchedulingBenchmark>(Config(arguments.Quick));
        if (summary.HasCriticalValidationErrors || summary.Reports.Any(r => r.ResultStatistics is null))
            throw new MeasurementException("BenchmarkDotNet reported errors; see its output above.");
        var figures = summary.Reports
            .GroupBy(
                r => (Instances: Parameter<int>(r, nameof(SchedulingBenchmark.Instances)),
                           Situation: Parameter<Situation>(r, nameof(SchedulingBenchmark.Situation))))
            .OrderBy(g => g.Key.Situation).ThenBy(g => g.Key.Instances)
            .Select(g => SchedulingFigure.From(g.Key.Situation, g.Key.Instances, g))
            .ToList();
        var met = figures.All(f => Verdict(f) != false);
        MarkdownReport.Publish("scheduling", Table(figures), arguments);
        return met ? ExitCodes.Met : ExitCodes.Missed;
    }

    // In this process: the default toolchain would generate and build a separate project, with this repository's build rules and restore.
    private static IConfig Config(bool quick) => ManualConfig.CreateEmpty()
        .AddJob(Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithIterationTime(TimeInterval.FromMilliseconds(quick ? 50 : 200))
            .WithWarmupCount(quick ? 2 : 5)
            .WithIterationCount(quick ? 5 : 15))
        .AddColumnProvider(DefaultColumnProviders.Instance)
        .AddLogger(ConsoleLogger.Default)
        .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "ollama-bridge-benchmarks"));

    private static bool? Verdict(SchedulingFigure figure) =>
        figure.Allocated != 0 ? false
        : figure.Instances < JudgedInstances ? null
        : figure.Decide <= MaxMicroseconds;

    private static string Table(List<SchedulingFigure> figures)
    {
        var table = new MarkdownTable(
            "Fleet", "Instances", "Least-loaded loop (baseline)", "Decision", "Error (99.9 %)", $"Allocated by {SchedulingFigure.CountedDecisions:N0}",
            "Target", "Result");
        foreach (var figure in figures)
            table.Add(
                figure.Situation.ToString(),
                figure.Instances.ToString("N0", CultureInfo.InvariantCulture),
                Microseconds(figure.Baseline),
                Microseconds(figure.Decide),
                "± " + Microseconds(figure.Error),
                $"{figure.Allocated} B",
                figure.Instances == JudgedInstances ? $"≤ {MaxMicroseconds} µs, 0 B" : "0 B",
                MarkdownTable.Result(Verdict(figure) ?? true));
        return table.ToString();
    }

    private static string Microseconds(double value) => value.ToString("0.000", CultureInfo.InvariantCulture) + " µs";

    private static T Parameter<T>(BenchmarkReport report, string name) => (T)report.BenchmarkCase.Parameters[name];
}
