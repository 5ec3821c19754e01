using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Simulator;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Two or more servers with one model, a bridge in front of them, and a request that always goes to the same server.</summary>
internal static class FaultFixture
{
    /// <summary>Every route whose responses are compared as a whole.</summary>
    public static readonly string[] Paths = ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<(StreamedAnswer Answer, int Instance)> AskAsync(
        TestBridge bridge, string path, int? limit = null, Dictionary<string, object>? body = null, (string Name, string Value)? headers = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body ?? Body(path, limit)) };
        if (headers is { } header)
            request.Headers.Add(header.Name, header.Value);
        using var answer = await bridge.Client.SendAsync(request, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return (StreamedAnswer.Parse(path, text, answer.Content.Headers.ContentType!.MediaType!), int.Parse(answer.Headers.GetValues("X-Bridge-Instance").Single()["sim-".Length..]) - 1);
    }

    public static async Task<TestFleet> StartFleetAsync(SimulatedModel model, int count = 2)
    {
        var fleet = await TestFleet.StartAsync(count, SimulatorOptions.Instant with { ParallelSlots = 4 }, TestFleet.Model);
        fleet.Store.Remove(model.Name);
        fleet.Store.Add(model);
        return fleet;
    }

    /// <summary>Starts a bridge that has observed the model in memory on every server, so that a conversation always starts on the same instance.</summary>
    /// <remarks>The instance stays the first choice after any number of failures.</remarks>
    public static Task<TestBridge> StartAsync(TestFleet fleet, params (string, string)[] settings) => StartAsync(fleet, TimeProvider.System, settings);

    /// <summary>Starts a bridge with its own clock. A fast clock needs longer health time-outs, because probes take real time on a busy machine.</summary>
    public static async Task<TestBridge> StartAsync(TestFleet fleet, TimeProvider time, params (string, string)[] settings)
    {
        var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            time,
            [
                ("Bridge:Health:RequestFailuresToEject", "1000"),
                ("Bridge:Breaker:ConsecutiveFailures", "1000"), ("Bridge:Breaker:TimeOuts", "1000"),
                ("Bridge:Breaker:MinimumRequests", "64"), ("Bridge:Breaker:Window", "00:00:00.1"),
                .. settings,
            ]);
        foreach (var server in fleet.Servers)
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), new { model = TestFleet.Model, messages = Array.Empty<object>() }, Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in every memory");
        return bridge;
    }

    public static Dictionary<string, object> Body(string path, int? limit, bool stream = true)
    {
        var body = new Dictionary<string, object> { ["model"] = TestFleet.Model, ["stream"] = stream };
        if (path is "/api/generate" or "/v1/completions")
            body["prompt"] = "Why is the sky blue?";
        else
            body["messages"] = new[] { new { role = "user", content = "Why is the sky blue?" } };
        if (path.StartsWith("/api/", StringComparison.Ordinal))
        {
            body["options"] = limit is null ? new { seed = 7 } : new { seed = 7, num_predict = limit.Value };
            return body;
        }

        if (path != "/v1/messages")
        {
            body["seed"] = 7;
            if (stream)
                body["stream_options"] = new { include_usage = true };
        }

        if (limit is not null || path == "/v1/messages")
            body["max_tokens"] = limit ?? 500;
        return body;
    }
}
