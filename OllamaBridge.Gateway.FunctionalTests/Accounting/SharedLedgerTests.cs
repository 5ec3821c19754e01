using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Accounting;

/// <summary>Each request has exactly one record that every gateway returns, after failures of clients, instances and gateways.</summary>
public sealed class SharedLedgerTests
{
    private const int Requests = 400;
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ledger_DisconnectsFailuresAndRestart_OneRecordEach()
    {
        await using var redis = await RunningRedis.StartAsync();
        await using var fleet = await TestFleet.StartAsync(
            3, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(1) });
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Times = 15 });
        fleet[1].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Times = 10 });
        fleet[1].Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 3, Times = 10 });
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, MaxResponseDrainSize = 0, PooledConnectionLifetime = TimeSpan.FromSeconds(1) });
        await using var other = await StartAsync(fleet, redis.Port);
        var one = await StartAsync(fleet, redis.Port);
        TestBridge? anew = null;
        var urls = new[] { one.Url, other.Url };
        var answered = 0;
        var hungUp = 0;
        async ValueTask AskAsync(int i, CancellationToken token)
        {
            for (var at = i % 2; ; at = 1)
            {
                try
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Volatile.Read(ref urls[at]), i % 4 == 0 ? "/v1/chat/completions" : "/api/chat"))
                    {
                        Content = JsonContent.Create(i % 4 == 0 ? Ask.OpenAI(stream: i % 8 == 0, tokens: 20) : Ask.Chat(stream: i % 3 != 0, text: $"{i}", tokens: 20)),
                    };
                    using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
                    Interlocked.Increment(ref answered);
                    if (i % 5 == 0)
                        Interlocked.Increment(ref hungUp); // by disposing the response
                    else
                        await ReadAsync(answer, token);
                    return;
                }
                catch (HttpRequestException) when (at == 0)
                {
                    // The gateway has stopped, so the request never started.
                }
            }
        }

        try
        {
            var asking = Parallel.ForEachAsync(Enumerable.Range(0, Requests), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Token }, AskAsync);
            await Eventually.BecomesAsync(() => Volatile.Read(ref answered) > Requests / 4, Patience);
            await fleet[2].KillAsync();
            await Eventually.BecomesAsync(() => Volatile.Read(ref answered) > Requests / 3, Patience);
            await one.DisposeAsync();
            anew = await StartAsync(fleet, redis.Port);
            Volatile.Write(ref urls[0], anew.Url);
            await fleet[2].RestartAsync(Token);
            await asking;

            Assert.InRange(hungUp, Requests / 5, Requests / 5);
            Assert.Equal(Requests, answered);
            await UsageBecomesAsync(other, Requests);
            var usage = await other.GetJsonAsync("/bridge/usage");
            var records = (await anew.GetJsonAsync("/bridge/ledger?limit=10000")).AsArray();
            Assert.Equal(Requests, records.Count);
            Assert.Equal(usage.ToJsonString(), (await anew.GetJsonAsync("/bridge/usage")).ToJsonString());
            Assert.False(usage["partial"]!.GetValue<bool>());
            Assert.Equal(Requests, usage["rows"]!.AsArray().Sum(r => r!["requests"]!.GetValue<long>()));
            foreach (var name in new[] { "inputTokens", "outputTokens" })
                Assert.Equal(records.Sum(r => r![name]!.GetValue<long>()), usage["total"]![name]!.GetValue<long>());
            Assert.Equal(records.Count(r => r!["outcome"]!.GetValue<string>() == "succeeded"), usage["total"]!["succeeded"]!.GetValue<long>());
            Assert.Contains(records, r => r!["attempts"]!.GetValue<int>() > 1);
            Assert.Contains(records, r => r!["outcome"]!.GetValue<string>() == "cancelled");
        }
        finally
        {
            await one.DisposeAsync();
            if (anew is not null)
                await anew.DisposeAsync();
        }

        // A request that was still running at the stop of the gateways would be counted twice here.
        Assert.Equal(Requests, (await other.GetJsonAsync("/bridge/usage"))["total"]!["requests"]!.GetValue<long>());
    }

    [Fact]
    public async Task Ledger_RedisOutage_PartialResultMarkedThenComplete()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var proxy = new RedisProxy();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var other = await StartAsync(fleet, state.Options.Port);
        await using var bridge = await StartAsync(fleet, int.Parse(proxy.Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
        (await other.PostAsync("/api/chat", Ask.Chat(stream: false), Token)).Dispose();
        for (var i = 0; i < 3; i++)
            (await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token)).Dispose();

        await UsageBecomesAsync(bridge, 3);
        await UsageBecomesAsync(other, 1);
        foreach (var path in new[] { "/bridge/usage", "/bridge/ledger" })
        {
            using var partial = await bridge.Client.GetAsync(path, Token);
            Assert.Equal("true", partial.Headers.GetValues("X-Bridge-Partial").Single());
        }

        Assert.True((await bridge.GetJsonAsync("/bridge/usage"))["partial"]!.GetValue<bool>());
        Assert.Contains("ledger: ", (await bridge.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>(), StringComparison.Ordinal);

        proxy.Target = state.Options.Port;
        await UsageBecomesAsync(bridge, 4);
        await UsageBecomesAsync(other, 4);
        using var whole = await bridge.Client.GetAsync("/bridge/ledger", Token);
        Assert.False(whole.Headers.Contains("X-Bridge-Partial"));
        Assert.Equal(4, (await whole.Content.ReadFromJsonAsync<JsonNode>(Token))!.AsArray().Count);
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, int port) => TestBridge.StartAsync(
        fleet.Servers,
        ("ConnectionStrings:state", $"127.0.0.1:{port}"), ("Bridge:State:ProbeInterval", "00:00:00.1"));

    private static async Task ReadAsync(HttpResponseMessage answer, CancellationToken token)
    {
        try
        {
            await answer.Content.ReadAsStringAsync(token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // An interrupted response also counts as a request.
        }
    }

    private static Task UsageBecomesAsync(TestBridge bridge, long requests) => Eventually.BecomesAsync(
        async () => (await bridge.GetJsonAsync("/bridge/usage"))["total"]!["requests"]!.GetValue<long>() == requests, Patience);
}
