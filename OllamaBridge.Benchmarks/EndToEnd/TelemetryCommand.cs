using System.Globalization;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// Measures the cost of telemetry: metrics, traces and logs are sent to a collector, and <c>/metrics</c> is scraped every second. The baseline is
/// the same gateway without telemetry.
/// </summary>
internal static class TelemetryCommand
{
    private static readonly TimeSpan ScrapeInterval = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("telemetry", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await BenchmarkFixture.StartAsync(cancellationToken);
        await using var sink = ChildServer.Start("OllamaBridge.Benchmarks.dll", [TelemetrySink.Command]);
        var collector = (await sink.AddressesAsync(BenchmarkFixture.StartPatience, cancellationToken))[0];
        var settings = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://{collector}",
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000",
            // A long delay would move the cost of the export into the next target's round.
            ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "500",
        };
        // All of them log to the console. Only the last one also exports the logs.
        var quiet = new Dictionary<string, string>(settings) { ["Logging__OpenTelemetry__LogLevel__Default"] = "None" };
        var frameworks = new Dictionary<string, string>(quiet) { ["Bridge__Metrics__HttpRequests"] = "true" };
        var all = new Dictionary<string, string>(settings) { ["Bridge__Tracing__TracesPerSecond"] = "1000000" };
        Uri? metrics = null;
        Task<Target> Off(CancellationToken stop) =>
            bed.StartGatewayAsync("without telemetry", new Dictionary<string, string> { ["OTEL_SDK_DISABLED"] = "true" }, null, stop);
        var pair = new PairMeasure(
            Off,
            async stop =>
            {
                var on = await bed.StartGatewayAsync("with telemetry", quiet, null, stop);
                Volatile.Write(ref metrics, new Uri($"http://{on.Addresses[0]}/metrics"));
                return on;
            });
        var more = new PairMeasure(
            Off,
            stop => bed.StartGatewayAsync("with the frameworks' figures", frameworks, null, stop),
            stop => bed.StartGatewayAsync("with every trace and log record", all, null, stop));

        Console.Error.WriteLine($"Small responses with and without telemetry, {GatewayPlan.Clients} clients…");
        using var http = new HttpClient();
        using var scraping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var scrapes = ScrapeAsync(http, () => Volatile.Read(ref metrics), scraping.Token);
        await pair.RunAsync(streams: false, plan.PairProcesses, plan, cancellationToken);
        await scraping.CancelAsync();
        var scraped = await scrapes;
        Console.Error.WriteLine("Small responses with more telemetry…");
        await more.RunAsync(streams: false, processes: 1, plan, cancellationToken);
        var sent = await http.GetStringAsync(new Uri($"http://{collector}{TelemetrySink.Totals}"), cancellationToken);
        foreach (var kind in sent.Split('\n'))
            if (kind.EndsWith(" 0", StringComparison.Ordinal))
                throw new MeasurementException($"the collector received no data of the kind {kind[..^2]}");
        return
        [
            PairRow.Compare(
                $"Small answers, {GatewayPlan.Clients} clients: requests/s", pair.Rates[0], pair.Rates[1], "0", least: GatewayPlan.MinTelemetryThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", pair.Costs[0], pair.Costs[1], "0"),
            PairRow.Compare("… with ASP.NET Core's and HttpClient's figures of each request: requests/s", more.Rates[0], more.Rates[1], "0"),
            PairRow.Compare("… CPU of the gateway for each, µs", more.Costs[0], more.Costs[1], "0"),
            PairRow.Compare("… with every trace, and every line of the log: requests/s", more.Rates[0], more.Rates[2], "0"),
            PairRow.Compare("… CPU of the gateway for each, µs", more.Costs[0], more.Costs[2], "0"),
            new PairRow("… sent to the collector by all three, MB", "", string.Join(", ", sent.Split('\n').Select(Megabytes)), ""),
            new PairRow("… readings of /metrics", "", $"{scraped}", ""),
        ];
    }

    private static async Task<int> ScrapeAsync(HttpClient http, Func<Uri?> metrics, CancellationToken cancellationToken)
    {
        var count = 0;
        using var timer = new PeriodicTimer(ScrapeInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    if (metrics() is { } address
                        && (await http.GetStringAsync(address, cancellationToken)).Contains("ollama_requests_total", StringComparison.Ordinal))
                        count++;
                }
                catch (HttpRequestException)
                {
                    // The process has ended, and the next one does not listen yet.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The measurement is over.
        }

        return count;
    }

    private static string Megabytes(string line)
    {
        var (name, bytes) = line.Split(' ') is [var n, var b] ? (n, long.Parse(b, CultureInfo.InvariantCulture)) : throw new MeasurementException(line);
        return string.Create(CultureInfo.InvariantCulture, $"{name} {bytes / 1e6:0.0}");
    }
}
