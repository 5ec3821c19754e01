using System.Globalization;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>What it costs to be seen: metrics and traces (and logs) sent to a collector and <c>/metrics</c> read every second, beside the same gateway with all of it off.</summary>
internal static class TelemetryCommand
{
    private static readonly TimeSpan ScrapeInterval = TimeSpan.FromSeconds(1);

    /// <summary>Runs the benchmark.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("telemetry", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await TestBed.StartAsync(cancellationToken);
        await using var sink = ChildServer.Start("OllamaBridge.Benchmarks.dll", [TelemetrySink.Command]);
        var collector = (await sink.AddressesAsync(TestBed.StartPatience, cancellationToken))[0];
        var off = await bed.StartGatewayAsync("without telemetry", new Dictionary<string, string> { ["OTEL_SDK_DISABLED"] = "true" }, null, cancellationToken);
        await using var offProcess = off.Process;
        var settings = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://{collector}",
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000",
            // Both write the log's lines to the console; who sends them besides is the third.
            ["Logging__OpenTelemetry__LogLevel__Default"] = "None",
        };
        var on = await bed.StartGatewayAsync("with telemetry", settings, null, cancellationToken);
        await using var onProcess = on.Process;
        settings["Bridge__Metrics__HttpRequests"] = "true";
        var frameworks = await bed.StartGatewayAsync("with the frameworks' figures", settings, null, cancellationToken);
        await using var frameworksProcess = frameworks.Process;
        settings.Remove("Bridge__Metrics__HttpRequests");
        settings["Bridge__Tracing__TracesPerSecond"] = "1000000";
        settings.Remove("Logging__OpenTelemetry__LogLevel__Default");
        var all = await bed.StartGatewayAsync("with every trace and line", settings, null, cancellationToken);
        await using var allProcess = all.Process;

        Console.Error.WriteLine($"Small answers with and without telemetry, {GatewayPlan.Clients} clients…");
        using var http = new HttpClient();
        using var scraping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var scrapes = ScrapeAsync(http, new Uri($"http://{on.Addresses[0]}/metrics"), scraping.Token);
        var (rates, costs) = await ThroughputMeasure.MeasureAsync([off, on, frameworks, all], stream: false, plan.PairRounds, plan, cancellationToken);
        await scraping.CancelAsync();
        var scraped = await scrapes;
        var sent = await http.GetStringAsync(new Uri($"http://{collector}{TelemetrySink.Totals}"), cancellationToken);
        foreach (var kind in sent.Split('\n'))
            if (kind.EndsWith(" 0", StringComparison.Ordinal))
                throw new MeasurementException($"the collector got nothing of: {kind[..^2]}");
        return
        [
            PairRow.Compare(
                $"Small answers, {GatewayPlan.Clients} clients: requests/s", rates[0], rates[1], "0", least: GatewayPlan.MinTelemetryThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", costs[0], costs[1], "0"),
            PairRow.Compare("… with ASP.NET Core's and HttpClient's figures of each request: requests/s", rates[0], rates[2], "0"),
            PairRow.Compare("… CPU of the gateway for each, µs", costs[0], costs[2], "0"),
            PairRow.Compare("… with every trace, and every line of the log: requests/s", rates[0], rates[3], "0"),
            PairRow.Compare("… CPU of the gateway for each, µs", costs[0], costs[3], "0"),
            new PairRow("… sent to the collector by all three, MB", "", string.Join(", ", sent.Split('\n').Select(Megabytes)), ""),
            new PairRow("… readings of /metrics", "", $"{scraped}", ""),
        ];
    }

    private static async Task<int> ScrapeAsync(HttpClient http, Uri metrics, CancellationToken cancellationToken)
    {
        var count = 0;
        using var timer = new PeriodicTimer(ScrapeInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if ((await http.GetStringAsync(metrics, cancellationToken)).Contains("ollama_requests_total", StringComparison.Ordinal))
                    count++;
            }
        }
        catch (OperationCanceledException)
        {
            // Over.
        }

        return count;
    }

    private static string Megabytes(string line)
    {
        var (name, bytes) = line.Split(' ') is [var n, var b] ? (n, long.Parse(b, CultureInfo.InvariantCulture)) : throw new MeasurementException(line);
        return string.Create(CultureInfo.InvariantCulture, $"{name} {bytes / 1e6:0.0}");
    }
}
