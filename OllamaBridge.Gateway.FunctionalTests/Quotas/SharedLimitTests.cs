using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Quotas;

/// <summary>A tenant's limits over several gateways, with and without shared state. Not parallel, because the tests measure time.</summary>
[Collection(nameof(Alone))]
public sealed class SharedLimitTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_ThreeGateways_TokenLimitAppliesToSum()
    {
        const int Limit = 1000;
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 30 });
        // Fail-closed: a gateway that can't read Redis in time rejects requests, so a busy machine can't break the limit.
        await using var bridges = await ThreeAsync(fleet, $"127.0.0.1:{state.Options.Port}", new TenantLimits { TokensPerMinute = Limit, FailClosed = true });
        using var patience = Within();
        var full = new HashSet<int>();
        while (full.Count < 3)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(n => bridges[n % 3].PostAsync("/api/chat", Ask.Chat(stream: n % 2 == 0), patience.Token)));
            Assert.InRange(bridges.All.Sum(b => Quotas(b).Read("team", null, c => c.SpentInMinute + c.Reserved)), 0, Limit);
            for (var n = 0; n < answers.Length; n++)
                if (answers[n].StatusCode == HttpStatusCode.TooManyRequests)
                    full.Add(n % 3);
                else
                    Assert.True(answers[n].StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable);
        }

        // A part of the limit is reserved for tenants with recent requests, and a request needs about fifty tokens.
        Assert.InRange(bridges.All.Sum(b => Quotas(b).Read("team", null, c => c.SpentInMinute + c.Reserved)), Limit / 2, Limit);
        Assert.All(bridges.All, b => Assert.True(Quotas(b).Read("team", null, c => c.SpentInMinute) > 0));
    }

    [Fact]
    public async Task Chat_ThreeGateways_ConcurrencyLimitAppliesToSum()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 30 });
        await using var bridges = await ThreeAsync(fleet, $"127.0.0.1:{state.Options.Port}", new TenantLimits { ConcurrentRequests = 2, FailClosed = true });
        var fault = new Fault { Kind = FaultKind.Stall, AfterTokens = 2 };
        using var patience = Within();
        for (var round = 0; round < 3; round++)
        {
            fleet[0].Faults.Add(fault);
            var open = new List<HttpResponseMessage>();
            // Uses the gateways in turn, until two requests run and each of the three gateways has rejected one.
            var refused = new HashSet<int>();
            for (var n = round; open.Count < 2 || refused.Count < 3; n++)
            {
                var answer = await bridges[n % 3].OpenAsync("/api/chat", Ask.Chat(stream: true), patience.Token);
                if (answer.IsSuccessStatusCode)
                    open.Add(answer);
                else if (answer.StatusCode == HttpStatusCode.TooManyRequests && open.Count == 2)
                    refused.Add(n % 3);
                Assert.InRange(open.Count, 0, 2);
                if (!answer.IsSuccessStatusCode)
                    await Task.Yield();
            }

            fleet[0].Faults.Clear();
            foreach (var answer in open)
                answer.Dispose();
            await Eventually.BecomesAsync(() => bridges.All.All(b => Quotas(b).Read("team", null, c => c.InFlight == 0)), Patience);
        }
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Post_RedisLostSlowAndBack_FailOpenServedFailClosed503(string path)
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var proxy = new RedisProxy { Target = state.Options.Port };
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet, proxy.Address);
        var open = new Tenant { Id = "open", Limits = new TenantLimits { TokensPerMinute = 1_000_000, RequestsPerSecond = 10_000 } };
        var closed = new Tenant { Id = "closed", Limits = new TenantLimits { TokensPerMinute = 1_000_000, RequestsPerSecond = 10_000, FailClosed = true } };
        await UntilAsync(bridge, closed, path, HttpStatusCode.OK);

        proxy.Lose();
        using (var refused = await UntilAsync(bridge, closed, path, HttpStatusCode.ServiceUnavailable))
        {
            Assert.Equal(1, refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds);
            var error = JsonNode.Parse(await refused.Content.ReadAsStringAsync(Token))!["error"]!;
            Assert.Equal("limits cannot be checked at the moment", path == "/api/chat" ? error.GetValue<string>() : error["message"]!.GetValue<string>());
        }

        await SucceedManyTimesAsync(bridge, open, path);
        using var patience = Within();
        while (!(await bridge.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>().Contains("quota: each gateway grants", StringComparison.Ordinal))
            patience.Token.ThrowIfCancellationRequested();
        Assert.Contains("ollama_state_store_healthy{store=\"quota\"} 0", Unscoped(await bridge.Client.GetStringAsync("/metrics", Token)), StringComparison.Ordinal);

        // A request that waited for an answer of Redis would not end before the guard.
        proxy.Delay = TimeSpan.FromHours(1);
        proxy.Target = state.Options.Port;
        await SucceedManyTimesAsync(bridge, open, path);

        proxy.Lose();
        (proxy.Delay, proxy.Target) = (TimeSpan.Zero, state.Options.Port);
        (await UntilAsync(bridge, closed, path, HttpStatusCode.OK)).Dispose();
        Assert.True((await PostAsync(bridge, open, path)).IsSuccessStatusCode);
    }

    [Fact]
    public async Task Post_RedisNeverAvailable_ServedImmediately()
    {
        await using var proxy = new RedisProxy();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet, proxy.Address);
        using var answer = await PostAsync(bridge, new Tenant { Id = "open", Limits = new TenantLimits { TokensPerMinute = 1000 } }, "/api/chat");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using var refused = await PostAsync(bridge, new Tenant { Id = "closed", Limits = new TenantLimits { TokensPerMinute = 1000, FailClosed = true } }, "/api/chat");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
    }

    [Fact]
    public async Task Acquire_RedisSilent_WaitIsBounded()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var proxy = new RedisProxy { Target = state.Options.Port };
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet, proxy.Address);
        await Eventually.BecomesAsync(() => bridge.Services.GetRequiredService<Gateway.State.StateConnection>().IsHealthy, Patience);

        // A wait for an answer of Redis would not end before the guard.
        proxy.Delay = TimeSpan.FromHours(1);
        for (var n = 0; n < 20; n++)
        {
            using var lease = await Quotas(bridge).AcquireAsync(
                new QuotaDemand($"t{n}", new UsageLimits { TokensPerMinute = 100 }, "m", null, 10), Token).AsTask().WaitAsync(TestTimeouts.Guard, Token);
            Assert.True(lease.IsAcquired);
        }
    }

    private static QuotaStore Quotas(TestBridge bridge) => bridge.Services.GetRequiredService<QuotaStore>();

    private static CancellationTokenSource Within()
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience);
        return patience;
    }

    private static async Task<HttpResponseMessage> UntilAsync(TestBridge bridge, Tenant tenant, string path, HttpStatusCode status)
    {
        using var patience = Within();
        while (true)
        {
            patience.Token.ThrowIfCancellationRequested();
            var answer = await PostAsync(bridge, tenant, path);
            if (answer.StatusCode == status)
                return answer;
            answer.Dispose();
        }
    }

    private static async Task SucceedManyTimesAsync(TestBridge bridge, Tenant tenant, string path)
    {
        for (var n = 0; n < 21; n++)
        {
            using var answer = await PostAsync(bridge, tenant, path).WaitAsync(TestTimeouts.Guard, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    private static Task<HttpResponseMessage> PostAsync(TestBridge bridge, Tenant tenant, string path)
    {
        bridge.Tenant = tenant;
        return bridge.PostAsync(path, path switch { "/api/chat" => Ask.Chat(stream: false, tokens: 40), "/v1/messages" => Ask.Anthropic(tokens: 40), _ => Ask.OpenAI(tokens: 40) }, Token);
    }

    /// <summary>Removes the label that the exporter adds to every series.</summary>
    private static string Unscoped(string metrics) =>
        System.Text.RegularExpressions.Regex.Replace(metrics, "otel_scope_name=\"[^\"]*\",?", "").Replace(",}", "}", StringComparison.Ordinal);

    private static Task<TestBridge> StartAsync(TestFleet fleet, string connection) => TestBridge.StartAsync(
        fleet.Servers, ("ConnectionStrings:state", connection), ("Bridge:State:ProbeInterval", "00:00:00.1"));

    private static async Task<Bridges> ThreeAsync(TestFleet fleet, string connection, TenantLimits limits)
    {
        var bridges = new Bridges();
        for (var n = 0; n < 3; n++)
        {
            bridges.All.Add(await StartAsync(fleet, connection));
            bridges[n].Tenant = new Tenant { Id = "team", Limits = limits };
        }

        return bridges;
    }

    private sealed class Bridges : IAsyncDisposable
    {
        public List<TestBridge> All { get; } = [];

        public TestBridge this[int index] => All[index];

        public async ValueTask DisposeAsync()
        {
            foreach (var bridge in All)
                await bridge.DisposeAsync();
        }
    }
}
