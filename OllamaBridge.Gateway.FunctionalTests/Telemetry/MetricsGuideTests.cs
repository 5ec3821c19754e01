using System.Diagnostics.Metrics;
using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary><c>docs/metrics.md</c> lists the exported metrics. These tests run alone, because all gateways of a process share their metrics.</summary>
[Collection(nameof(Alone))]
public sealed class MetricsGuideTests
{
    // Labels that the exporter adds.
    private static readonly string[] Foreign = ["le", "otel_scope_name", "otel_scope_version"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Guide_Names_EqualAllInstruments()
    {
        var names = new Dictionary<string, string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == TelemetryNames.Meter)
                    lock (names)
                        names[PrometheusName(instrument)] = instrument.GetType().Name;
            },
        };
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        listener.Start();

        var guide = MetricsGuide.Read();
        Assert.Equal(guide.Keys.Order(), names.Keys.Order());
        Assert.All(guide, row => Assert.StartsWith(
            row.Value.Type, names[row.Key].Replace("UpDownCounter", "gauge", StringComparison.Ordinal).Replace("Observable", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Scrape_AfterMixedTraffic_OnlyDocumentedLabels()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await TrafficAsync(bridge, fleet);

        var guide = MetricsGuide.Read();
        var seen = await ScrapeAsync(bridge);
        Assert.Contains("ollama_model_memory_bytes", seen.Select(m => m.Family));
        Assert.Contains("gen_ai_server_time_per_output_token_seconds", seen.Select(m => m.Family));
        Assert.All(seen.Where(m => m.Family.StartsWith("ollama_", StringComparison.Ordinal) || m.Family.StartsWith("gen_ai_", StringComparison.Ordinal)), metric =>
        {
            Assert.True(guide.TryGetValue(metric.Family, out var row), metric.Name);
            Assert.All(metric.Labels.Keys.Except(Foreign), label => Assert.True(row.Labels.Contains(label), $"{metric.Name} has {label}"));
        });
        foreach (var name in seen.Select(m => m.Family).Distinct())
            if (guide.TryGetValue(name, out var row))
                Assert.Equal(row.Labels.Order(), seen.Where(m => m.Family == name).SelectMany(m => m.Labels.Keys).Except(Foreign).Distinct().Order());
    }

    [Fact]
    public async Task Scrape_UnknownModels_NoNewSeries()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await AskUnknownAsync(bridge, "first-unknown");
        var before = await ScrapeAsync(bridge);

        for (var i = 0; i < 20; i++)
            await AskUnknownAsync(bridge, $"made-up-{i}");

        IReadOnlyList<ScrapedMetric> after = [];
        // The endpoint caches a scrape for a moment.
        await Eventually.BecomesAsync(
            async () => (after = await ScrapeAsync(bridge)).Where(m => m.Name == "ollama_requests_total" && m.Labels["model"] == "other").Sum(m => m.Value) == 21,
            TimeSpan.FromSeconds(10));
        Assert.Equal(Series(before), Series(after));
        Assert.DoesNotContain(after, m => m.Labels.Values.Any(v => v.Contains("made-up", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Scrape_ModelLeavesMemory_EvictionCounted()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using (var loading = await bridge.PostAsync("/api/generate", new { model = TestFleet.Model, keep_alive = -1 }, Token))
            Assert.Equal(HttpStatusCode.OK, loading.StatusCode);
        await bridge.UntilAsync(s => s.Instances[0].Loaded.Length == 1, "the model is in memory");

        using (var leaving = await bridge.PostAsync("/api/generate", new { model = TestFleet.Model, keep_alive = 0 }, Token))
            Assert.Equal(HttpStatusCode.OK, leaving.StatusCode);
        await bridge.UntilAsync(s => s.Instances[0].Loaded.IsEmpty, "the model has left");

        await Eventually.BecomesAsync(
            async () => (await ScrapeAsync(bridge)).Where(m => m.Name == "ollama_model_evictions_total").Sum(m => m.Value) == 1, TimeSpan.FromSeconds(10));
    }

    private static async Task TrafficAsync(TestBridge bridge, TestFleet fleet)
    {
        foreach (var stream in new[] { true, false })
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: stream), Token);
            await answer.Content.ReadAsStringAsync(Token);
        }

        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = "/api/chat", Times = 1 });
        using (var failed = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token))
            await failed.Content.ReadAsStringAsync(Token);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Path = "/api/chat", Times = 1 });
        using (var continued = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token))
            await continued.Content.ReadAsStringAsync(Token);
        await AskUnknownAsync(bridge, "nobody-has-it");
        await bridge.UntilAsync(s => s.Instances.Any(i => !i.Loaded.IsEmpty), "a model is seen in memory");
    }

    private static async Task AskUnknownAsync(TestBridge bridge, string model)
    {
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(model, stream: false), Token);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    private static async Task<IReadOnlyList<ScrapedMetric>> ScrapeAsync(TestBridge bridge) =>
        ScrapedMetric.Read(await bridge.Client.GetStringAsync("/metrics", Token));

    private static IEnumerable<string> Series(IEnumerable<ScrapedMetric> metrics) => metrics
        .Where(m => m.Name.StartsWith("ollama_", StringComparison.Ordinal) || m.Name.StartsWith("gen_ai_", StringComparison.Ordinal))
        .Select(m => $"{m.Name} {string.Join(',', m.Labels.Select(l => $"{l.Key}={l.Value}"))}")
        .Order();

    /// <summary>The exporter's name for an instrument: the name, its unit, and the suffix of a counter.</summary>
    private static string PrometheusName(Instrument instrument)
    {
        var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", "Cel" => "_celsius", _ => "" };
        var isCounter = instrument.GetType().Name is var type && type.Contains("Counter", StringComparison.Ordinal) && !type.Contains("UpDown", StringComparison.Ordinal);
        return $"{instrument.Name.Replace('.', '_')}{unit}{(isCounter ? "_total" : "")}";
    }
}
