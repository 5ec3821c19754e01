using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Deployment;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>A real Prometheus scrapes a bridge whose fleet loses an instance under load. These tests run alone because they need the whole machine.</summary>
[Collection(nameof(Alone))]
public sealed partial class PrometheusEndToEndTests(ITestOutputHelper output)
{
    private const int Instances = 3;
    private const int Slots = 2;
    private const int Lost = 3;
    private static readonly string[] Models = ["deepseek-r1:7b", "qwen3:8b"];
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    // Alerts that must not fire. Others may: a busy machine can delay responses, and the loss of an instance causes resumptions.
    private static readonly string[] Silent =
    [
        "OllamaBridgeDown", "OllamaStateLost", "OllamaStateStoreLost", "OllamaLedgerDropped", "OllamaColdTierNotStarting", "OllamaSpillingOver", "OllamaModelOnCpu", "OllamaGpuMemoryFull",
        "OllamaErrorBudgetBurnFast", "OllamaErrorBudgetBurnHigh", "OllamaErrorBudgetBurnSlow", "OllamaErrorBudgetBurnCreeping",
    ];

    // Panels without data here, because the fleet has no GPUs, quotas, fallbacks, hedging, cold tiers or other regions.
    private static readonly string[] MayBeEmpty =
    [
        "Model evictions", "Not steady", "Retries by reason", "Ejections", "Breaker openings", "Fallbacks", "Limit refusals", "Hedges",
        "Ledger records dropped", "Cold tiers: instances wanted", "Starts of cold tiers", "Sent to other regions", "GPU load", "GPU memory", "GPU temperature",
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Load_InstanceKilled_AlertFiresAndDashboardHasData()
    {
        Promtool.Find("prometheus");
        await using var fleet = await StartFleetAsync();
        await using var bridge = await GatewayProcess.StartAsync(fleet.Servers, Slots);
        await using var prometheus = await RunningPrometheus.StartAsync(bridge.Url);
        await using var load = new ClosedLoad(bridge.Url, 9, Models);
        await Eventually.BecomesAsync(async () => (await prometheus.QueryAsync("sum(rate(ollama_requests_total[5s])) > 0")).Count == 1, Patience);
        Assert.Empty(await prometheus.QueryAsync("""ALERTS{alertname="OllamaInstanceDown"}"""));
        // All slots in use, so that the kill interrupts responses.
        await Eventually.BecomesAsync(
            async () => (await prometheus.QueryAsync($$"""max_over_time(ollama_instance_slots_used{instance="sim-{{Lost}}"}[2s]) == {{Slots}}""")).Count == 1, Patience);

        await Eventually.BecomesAsync(() => fleet[Lost - 1].Statistics.ActiveGenerations == Slots, Patience);
        await fleet[Lost - 1].KillAsync();

        // A rate needs two samples, so a new counter needs a moment. The rate of a past event ends with its window, so the panels need not have data at the same time.
        Dictionary<string, int> seen = [];
        try
        {
            await Eventually.BecomesAsync(
                async () =>
                {
                    foreach (var (panel, count) in await SeriesAsync(prometheus))
                        seen[panel] = Math.Max(seen.GetValueOrDefault(panel), count);
                    return seen.All(panel => panel.Value > 0 || MayBeEmpty.Contains(panel.Key));
                },
                Patience);
        }
        finally
        {
            foreach (var (panel, count) in seen)
                output.WriteLine($"{panel}: {count} series");
        }

        await Eventually.BecomesAsync(
            async () => (await prometheus.QueryAsync("""count_over_time(ALERTS{alertname="OllamaInstanceDown",alertstate="firing"}[10m])""")).Count == 1, Patience);
        var rules = await prometheus.RulesAsync();
        Assert.Equal(PrometheusFiles.Rules.Select(r => r.Name).Order(), rules.Select(r => r.Name).Order());
        Assert.All(rules, rule => Assert.True(rule is { Health: "ok", Error: "" }, $"{rule}"));
        var fired = await prometheus.QueryAsync("""count by (alertname, instance) (count_over_time(ALERTS{alertstate="firing"}[10m]))""");
        output.WriteLine($"fired: {string.Join(", ", fired.Select(f => $"{f.Labels["alertname"]} {f.Labels.GetValueOrDefault("instance")}"))}");
        Assert.Equal($"sim-{Lost}", Assert.Single(fired, f => f.Labels["alertname"] == "OllamaInstanceDown").Labels["instance"]);
        Assert.DoesNotContain(fired, f => Silent.Contains(f.Labels["alertname"]));
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task Trace_SampledByClient_IsExemplarOfItsBuckets()
    {
        Promtool.Find("prometheus");
        await using var fleet = await StartFleetAsync();
        await using var bridge = await GatewayProcess.StartAsync(fleet.Servers, Slots);
        await using var prometheus = await RunningPrometheus.StartAsync(bridge.Url);
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, ActivityHeadersPropagator = null }) { BaseAddress = bridge.Url };
        var (kept, dropped) = (ActivityTraceId.CreateRandom(), ActivityTraceId.CreateRandom());
        foreach (var (trace, flags) in new[] { (dropped, "00"), (kept, "01") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(Models[0])) };
            request.Headers.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-{flags}");
            using var answer = await client.SendAsync(request, Token);
            await answer.Content.ReadAsStringAsync(Token);
        }

        IReadOnlyList<string> traces = [];
        foreach (var query in (string[])["ollama_latency_seconds_bucket", "gen_ai_server_time_to_first_token_seconds_bucket", "gen_ai_client_operation_duration_seconds_bucket"])
        {
            await Eventually.BecomesAsync(async () => (traces = await prometheus.TracesAsync(query)).Count > 0, Patience);
            Assert.Equal([kept.ToString()], traces);
        }
    }

    [Fact]
    public async Task Scrape_Promtool_NoErrors()
    {
        Promtool.Find("promtool");
        await using var fleet = await StartFleetAsync();
        await using var bridge = await GatewayProcess.StartAsync(fleet.Servers, Slots);
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = bridge.Url };
        await using var load = new ClosedLoad(bridge.Url, 9, Models);
        var text = "";
        await Eventually.BecomesAsync(
            async () => (text = await client.GetStringAsync("/metrics", Token)).Contains("gen_ai_server_time_per_output_token_seconds_count", StringComparison.Ordinal), Patience);

        var (code, said) = await Promtool.RunAsync(["check", "metrics"], text);
        Assert.True(code == 0 && said.Trim().Length == 0, said);
    }

    /// <summary>The number of series of each panel. Fails if a query is not valid.</summary>
    private static async Task<Dictionary<string, int>> SeriesAsync(RunningPrometheus prometheus)
    {
        var seen = new Dictionary<string, int>();
        foreach (var panel in Dashboard.Panels.Where(p => !p.IsRow))
        {
            seen[panel.Title] = 0;
            foreach (var query in panel.Queries)
                seen[panel.Title] += (await prometheus.QueryAsync(Filled(query))).Count(s => !double.IsNaN(s.Value));
        }

        return seen;
    }

    private static Task<TestFleet> StartFleetAsync() => TestFleet.StartAsync(
        Instances, SimulatorOptions.Instant with { ParallelSlots = 4, MaxLoadedModels = 2, DecodePerToken = TimeSpan.FromMilliseconds(50) }, Models);

    /// <summary>Inserts the variables into a query as Grafana does if all values are selected.</summary>
    private static string Filled(string query) =>
        Variable().Replace(query.Replace("$__rate_interval", "30s", StringComparison.Ordinal), ".*");

    [GeneratedRegex(@"\$\w+")]
    private static partial Regex Variable();
}
