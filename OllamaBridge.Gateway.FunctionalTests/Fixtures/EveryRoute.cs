using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Every inference route with a fixed request, streamed and not, and two servers that have its models in memory.</summary>
internal static class EveryRoute
{
    public const string Embeddings = "nomic-embed-text:latest";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Streaming routes, each with and without a stream, and routes that don't stream.</summary>
    public static IReadOnlyList<(string Path, bool Stream)> All { get; } =
    [
        .. from path in new[] { "/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses" }
           from stream in new[] { true, false }
           select (path, stream),
        ("/api/embed", false), ("/api/embeddings", false), ("/v1/embeddings", false),
    ];

    /// <summary>The request body of a route. A null model stands for one that the servers have; routes that don't stream ignore <c>stream</c>.</summary>
    public static JsonObject Body(string path, bool stream, string? model = null)
    {
        var isEmbedding = IsEmbedding(path);
        var body = new JsonObject { ["model"] = model ?? (isEmbedding ? Embeddings : TestFleet.Model) };
        if (path is "/api/generate" or "/v1/completions" or "/api/embeddings")
            body["prompt"] = "Why?";
        else if (path is "/v1/responses" or "/api/embed" or "/v1/embeddings")
            body["input"] = "Why?";
        else
            body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Why?" });
        if (path == "/v1/messages")
            body["max_tokens"] = 100;
        if (path is "/api/chat" or "/api/generate")
            body["options"] = new JsonObject { ["seed"] = 7 };
        else if (path is "/v1/chat/completions" or "/v1/completions")
            body["seed"] = 7;
        if (!isEmbedding)
            body["stream"] = stream;
        return body;
    }

    public static bool IsEmbedding(string path) => path.Contains("embed", StringComparison.Ordinal);

    public static async Task<RouteAnswer> AskAsync(TestBridge bridge, string path, bool stream, string? model = null)
    {
        using var answer = await bridge.PostAsync(path, Body(path, stream, model), Token);
        var text = Normal.Of(await answer.Content.ReadAsStringAsync(Token));
        return new RouteAnswer(answer.StatusCode, answer.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.Single() : null, answer.Content.Headers.ContentType?.MediaType, text);
    }

    /// <summary>Fails the test if an error is not in the client's protocol.</summary>
    public static void AssertError(string path, RouteAnswer answer)
    {
        Assert.Equal("application/json", answer.Type);
        var json = JsonNode.Parse(answer.Text)!;
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            Assert.NotNull(json["error"]!.GetValue<string>());
        else
            Assert.NotNull(json["error"]!["message"]!.GetValue<string>());
        if (path == "/v1/messages")
            Assert.Equal("error", json["type"]!.GetValue<string>());
    }

    public static async Task<TestFleet> StartFleetAsync()
    {
        var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 8, MaxLoadedModels = 4 }, TestFleet.Model, Embeddings);
        using var client = new HttpClient();
        foreach (var server in fleet.Servers)
            foreach (var model in new[] { TestFleet.Model, Embeddings })
                (await client.PostAsJsonAsync(new Uri(server.Url, "/api/embed"), new { model, keep_alive = -1 }, Token)).EnsureSuccessStatusCode().Dispose();
        return fleet;
    }

    /// <summary>Starts a bridge that never ejects an instance, so that each fault meets the same fleet.</summary>
    public static async Task<TestBridge> StartAsync(TestFleet fleet, params (string, string)[] settings)
    {
        var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            [
                ("Bridge:Health:RequestFailuresToEject", "1000"), ("Bridge:Health:SlowStart", "00:00:00"),
                ("Bridge:Breaker:ConsecutiveFailures", "1000"), ("Bridge:Breaker:TimeOuts", "1000"),
                ("Bridge:Breaker:MinimumRequests", "64"), ("Bridge:Breaker:Window", "00:00:00.1"),
                ("Bridge:Forwarding:RetryBurst", "1000"),
                .. settings,
            ]);
        await bridge.UntilAsync(s => s.Models.Count == 2 && s.Instances.All(i => i.Loaded.Length == 2), "the models are seen in every memory");
        return bridge;
    }
}

/// <summary>A response as a client received it, without ids and times. The instance is null for a response of the bridge itself.</summary>
internal sealed record RouteAnswer(HttpStatusCode Status, string? Instance, string? Type, string Text);
