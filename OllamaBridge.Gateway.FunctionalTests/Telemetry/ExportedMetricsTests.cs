using System.Net.Http.Json;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>The names of the metrics that a collector receives through OTLP.</summary>
public sealed class ExportedMetricsTests
{
    private static readonly string[] OfEachRequest =
    [
        "http.server.request.duration", "http.server.active_requests", "http.client.request.duration", "http.client.active_requests",
        "http.client.open_connections", "aspnetcore.routing.match_attempts", "aspnetcore.memory_pool.rented",
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_Default_NoFrameworkMetricsPerRequest()
    {
        var sent = await CollectAsync("ollama.requests", "gen_ai.client.operation.duration", "kestrel.active_connections");

        Assert.DoesNotContain(OfEachRequest, name => sent.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_FrameworkMetricsEnabled_Exported() =>
        await CollectAsync([("Bridge:Metrics:HttpRequests", "true")], ["ollama.requests", .. OfEachRequest]);

    private static Task<string> CollectAsync(params string[] until) => CollectAsync([], until);

    /// <summary>Sends one request to a bridge, and waits until all these names have been exported.</summary>
    /// <returns>The text of all complete messages up to then.</returns>
    private static async Task<string> CollectAsync((string Key, string Value)[] settings, string[] until)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        var (text, all, gate) = (new StringBuilder(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new Lock());
        collector.MapPost("/v1/metrics", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body, Token);
            lock (gate)
            {
                text.Append(Encoding.Latin1.GetString(body.ToArray()));
                if (until.All(text.ToString().Contains))
                    all.TrySetResult();
            }

            return Results.Bytes([], "application/x-protobuf");
        });
        await collector.StartAsync(Token);
        await using var fleet = await TestFleet.StartAsync(1);
        // In its own process: the exporter's address is read before a test's settings, and other tests in this process record metrics, too.
        await using var bridge = await GatewayProcess.StartAsync(
            fleet.Servers,
            1,
            [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Urls.Single()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
                .. settings,
            ]);

        using var client = new HttpClient { BaseAddress = bridge.Url };
        using var answer = await client.PostAsJsonAsync("/api/chat", Ask.Chat(stream: false), Token);
        answer.EnsureSuccessStatusCode();
        await all.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        lock (gate)
            return text.ToString();
    }
}
