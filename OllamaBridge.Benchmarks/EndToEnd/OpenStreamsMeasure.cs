using OllamaBridge.Benchmarks.Load;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures the memory of a newly started proxy with all streams open. Every stream must end complete.</summary>
internal static class OpenStreamsMeasure
{
    private const int FewLines = 3;
    private const double Mebibyte = 1024 * 1024;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SampleTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Measures one proxy after the other, each in its own process.</summary>
    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(BenchmarkFixture bed, GatewayPlan plan, CancellationToken cancellationToken)
    {
        var yarp = await MeasureAsync(await bed.StartYarpAsync(cancellationToken), plan, cancellationToken);
        var gateway = await MeasureAsync(await bed.StartGatewayAsync(cancellationToken), plan, cancellationToken);
        return
        [
            new GatewayRow($"Memory (RSS) before the streams, MiB", "–", $"{yarp.Before:0}", $"{gateway.Before:0}", ""),
            new GatewayRow(
                $"… with {GatewayPlan.OpenStreams:N0} streams open, the highest sample, MiB", "–", $"{yarp.Open:0}", $"{gateway.Open:0}",
                $"{(gateway.Open - gateway.Before) * 1024 / GatewayPlan.OpenStreams:0} KiB a stream",
                $"≤ {GatewayPlan.MaxOpenMemory} MiB", gateway.Open <= GatewayPlan.MaxOpenMemory),
            new GatewayRow("… the most ever, opening and ending included, MiB", "–", $"{yarp.Peak:0}", $"{gateway.Peak:0}", ""),
            new GatewayRow(
                "… streams that ended whole", "–", $"{yarp.Whole:N0}", $"{gateway.Whole:N0}", "",
                $"all {GatewayPlan.OpenStreams:N0}", gateway.Whole == GatewayPlan.OpenStreams),
        ];
    }

    private static async Task<Figures> MeasureAsync(Target proxy, GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var process = proxy.Process;
        var address = proxy.Addresses[0];
        // One request first, so that one-time initialization is not counted as memory of the streams.
        using (var first = await ChatConnection.OpenAsync(address, cancellationToken))
            await first.AskAsync(ChatRequest.Make(address, SimulatorFleet.InstantModel, 0, GatewayPlan.SmallAnswer, stream: true), cancellationToken);
        await Task.Delay(Settle, cancellationToken);
        var before = process.Resident;

        var connections = new List<ChatConnection>();
        try
        {
            var answers = new List<Task<int>>();
            for (var i = 0; i < GatewayPlan.OpenStreams; i++)
            {
                var connection = await ChatConnection.OpenAsync(address, cancellationToken);
                connections.Add(connection);
                answers.Add(connection.AskAsync(
                    ChatRequest.Make(address, SimulatorFleet.SlowModel, i, plan.OpenStreamTokens, stream: true), cancellationToken).AsTask());
            }

            var open = await SampleAsync(process, connections, answers, cancellationToken);
            var all = Task.WhenAll(answers);
            await all.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            cancellationToken.ThrowIfCancellationRequested();
            var whole = answers.Count(a => a.IsCompletedSuccessfully && a.Result == plan.OpenStreamTokens + 1);
            return new Figures(before / Mebibyte, open / Mebibyte, process.PeakResident / Mebibyte, whole);
        }
        finally
        {
            connections.ForEach(c => c.Dispose());
        }
    }

    /// <summary>The highest of several samples, all taken while every stream is open and has returned a few lines.</summary>
    private static async Task<long> SampleAsync(
        ChildServer process, List<ChatConnection> connections, List<Task<int>> answers, CancellationToken cancellationToken)
    {
        while (connections.Any(c => c.Lines < FewLines) && !answers.Any(a => a.IsCompleted))
            await Task.Delay(Interval, cancellationToken);
        var highest = 0L;
        for (var samples = SampleTime / Interval; samples > 0; samples--)
        {
            if (answers.Find(a => a.IsCompleted) is { } ended)
                throw new MeasurementException(ended.Exception?.InnerException?.Message ?? "the streams were not all open at the same time");
            highest = Math.Max(highest, process.Resident);
            await Task.Delay(Interval, cancellationToken);
        }

        return highest;
    }

    /// <summary>The figures of one proxy; memory in MiB.</summary>
    private sealed record Figures(double Before, double Open, double Peak, int Whole);
}
