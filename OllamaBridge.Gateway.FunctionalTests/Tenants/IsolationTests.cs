using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Tenants;

/// <summary>Tenants with their own instances: requests of other tenants never use these or wait behind them.</summary>
public sealed class IsolationTests
{
    private const string Own = "private-model:1b";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_OwnedInstance_UsedByItsOwnerOnly()
    {
        var (owner, ownerKey) = ApiKey.Create();
        var (other, otherKey) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await StartAsync(fleet, ownerKey, otherKey);

        await Task.WhenAll(Enumerable.Range(0, 12).SelectMany(i => new[] { AskAsync(bridge, owner, $"a{i}"), AskAsync(bridge, other, $"b{i}") }));

        Assert.Equal(12, fleet[0].Statistics.Seen.Count(r => r.Path == "/api/chat"));
        Assert.Equal(12, fleet[1].Statistics.Seen.Count(r => r.Path == "/api/chat"));
        using var show = await SendAsync(bridge, HttpMethod.Post, "/api/show", owner, new { model = TestFleet.Model });
        Assert.Equal("sim-2", show.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Models_OnlyOnOwnedInstance_HiddenFromOthers()
    {
        var (owner, ownerKey) = ApiKey.Create();
        var (other, otherKey) = ApiKey.Create();
        await using var shared = await TestFleet.StartAsync(1);
        await using var closed = await TestFleet.StartAsync(1, options: null, Own);
        await using var bridge = await StartAsync([shared[0], closed[0]], ownerKey, otherKey);

        Assert.Contains(Own, await TextAsync(bridge, "/api/tags", owner), StringComparison.Ordinal);
        Assert.DoesNotContain(TestFleet.Model, await TextAsync(bridge, "/v1/models", owner), StringComparison.Ordinal);
        Assert.DoesNotContain(Own, await TextAsync(bridge, "/api/tags", other), StringComparison.Ordinal);
        using var refused = await AskAsync(bridge, other, "x", Own);
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
        using var answered = await AskAsync(bridge, owner, "x", Own);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Fact]
    public async Task Send_OthersQueueFull_OwnerServedImmediately()
    {
        var (owner, ownerKey) = ApiKey.Create();
        var (other, otherKey) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await StartAsync(fleet, ownerKey, otherKey, ("Bridge:Queue:Length", "3"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var waiting = Enumerable.Range(0, 4).Select(i => AskAsync(bridge, other, $"{i}")).ToArray();
        await Eventually.BecomesAsync(
            () => bridge.Queue.Count == 3, TimeSpan.FromSeconds(10));

        for (var n = 0; n < 5; n++)
        {
            using var answer = await AskAsync(bridge, owner, $"owner {n}");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("sim-2", answer.Headers.GetValues("X-Bridge-Instance").Single());
        }

        Assert.Equal(3, bridge.Queue.Count);
        fleet[0].Faults.Clear();
        Assert.All(await Task.WhenAll(waiting), a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
    }

    [Fact]
    public async Task Send_OwnInstanceDown_503WithoutOtherInstances()
    {
        var (owner, ownerKey) = ApiKey.Create();
        var (other, otherKey) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await StartAsync(fleet, ownerKey, otherKey, ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.3"));
        await fleet[1].DisposeAsync();

        using var answer = await AskAsync(bridge, owner, "x");

        Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.ServiceUnavailable, HttpStatusCode.BadGateway });
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Path == "/api/chat");
        using var served = await AskAsync(bridge, other, "x");
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
    }

    [Fact]
    public async Task Tenants_Api_SetsAndReturnsInstances()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var bad = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/team", null, new { instances = new[] { " " } });
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        using var put = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/team", null, new { instances = new[] { "sim-*" }, ownInstances = new[] { "sim-2" } });
        Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        Assert.Contains("\"ownInstances\":[\"sim-2\"]", await put.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        // Clients without a key can't use the instance from now on.
        for (var n = 0; n < 4; n++)
        {
            using var answer = await SendAsync(bridge, HttpMethod.Post, "/api/chat", null, Ask.Chat(stream: false, text: $"{n}"));
            Assert.Equal("sim-1", answer.Headers.GetValues("X-Bridge-Instance").Single());
        }
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, KeyVerifier owner, KeyVerifier other, params (string, string)[] settings) =>
        StartAsync(fleet.Servers, owner, other, settings);

    private static Task<TestBridge> StartAsync(
        IReadOnlyList<SimulatedServer> servers, KeyVerifier owner, KeyVerifier other, params (string, string)[] settings) => TestBridge.StartAsync(
        servers,
        [
            ("Bridge:Tenants:owner:Keys:0", owner.ToString()),
            ("Bridge:Tenants:owner:OwnInstances:0", "sim-2"),
            ("Bridge:Tenants:other:Keys:0", other.ToString()),
            .. settings,
        ]);

    private static Task<HttpResponseMessage> AskAsync(TestBridge bridge, string key, string text, string model = TestFleet.Model) =>
        SendAsync(bridge, HttpMethod.Post, "/api/chat", key, Ask.Chat(model, stream: false, text: text));

    private static async Task<string> TextAsync(TestBridge bridge, string path, string key)
    {
        using var answer = await SendAsync(bridge, HttpMethod.Get, path, key);
        return await answer.Content.ReadAsStringAsync(Token);
    }

    private static async Task<HttpResponseMessage> SendAsync(TestBridge bridge, HttpMethod method, string path, string? key, object? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        return await bridge.Client.SendAsync(request, Token);
    }
}
