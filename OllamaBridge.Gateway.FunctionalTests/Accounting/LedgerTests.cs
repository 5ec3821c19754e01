using System.Net;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Accounting;

/// <summary>Each request has exactly one record in the ledger.</summary>
public sealed class LedgerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ledger_EveryOutcome_OneRecordEach()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Continuation:Enabled", "false"));
        bridge.Tenant = new Tenant { Id = "team", Limits = new TenantLimits { TokensPerMinute = 100 } };
        (await bridge.PostAsync("/api/chat", Ask.Chat(stream: true, text: "my-secret-prompt"), Token)).Dispose();
        (await bridge.PostAsync("/api/chat", Ask.Chat("made-up"), Token)).Dispose();
        (await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(tokens: 5000), Token)).Dispose();
        await WrittenAsync(bridge, 3);
        bridge.Tenant = new Tenant { Id = "other" };
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Times = 1 });
        using (var cut = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token))
            Assert.Contains("\"error\"", await cut.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        await WrittenAsync(bridge, 4);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 3 });
        using (var answer = await bridge.OpenAsync("/v1/messages", Ask.Anthropic(stream: true), Token))
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(Token);
            Assert.NotEqual(0, await stream.ReadAsync(new byte[100], Token));
        }

        await WrittenAsync(bridge, 5);
        fleet[0].Faults.Clear();
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        (await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token)).Dispose();
        await WrittenAsync(bridge, 6);

        var records = (await bridge.GetJsonAsync("/bridge/ledger")).AsArray().Reverse().ToList();

        Assert.Equal(
            [
                "team chat ollama deepseek-r1:7b sim-1 succeeded 200 1",
                "team chat ollama other - rejected 404 0",
                "team chat openai deepseek-r1:7b - rejected 429 0",
                "other chat ollama deepseek-r1:7b sim-1 truncated 200 1",
                "other messages anthropic deepseek-r1:7b sim-1 cancelled 200 1",
                "other chat ollama deepseek-r1:7b - failed 500 1",
            ],
            records.Select(r => string.Join(' ', r!["tenant"], r["operation"], r["protocol"], r["model"], r["instance"]?.ToString() ?? "-", r["outcome"], r["status"], r["attempts"])));
        Assert.Equal(6, records[0]!["outputTokens"]!.GetValue<long>());
        Assert.True(records[0]!["inputTokens"]!.GetValue<long>() > 0);
        Assert.InRange(records[0]!["firstByteSeconds"]!.GetValue<double>(), 0, records[0]!["totalSeconds"]!.GetValue<double>());
        Assert.DoesNotContain(records, r => r!.ToJsonString().Contains("secret", StringComparison.Ordinal));
        Assert.Single((await bridge.GetJsonAsync("/bridge/ledger?limit=1")).AsArray());
    }

    [Fact]
    public async Task Usage_TwoTenants_SumsAndFilters()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var tenant in new[] { "a", "b", "b" })
        {
            bridge.Tenant = new Tenant { Id = tenant };
            (await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token)).Dispose();
        }

        await WrittenAsync(bridge, 3);
        var day = (await Ledger(bridge).LatestAsync(1, Token)).Items[0].Time.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
        var usage = await bridge.GetJsonAsync("/bridge/usage");

        Assert.Equal(3, usage["total"]!["requests"]!.GetValue<long>());
        Assert.Equal(18, usage["total"]!["outputTokens"]!.GetValue<long>());
        Assert.Equal(2, usage["tenants"]!["b"]!["succeeded"]!.GetValue<long>());
        Assert.Equal(3, usage["models"]!["deepseek-r1:7b"]!["requests"]!.GetValue<long>());
        Assert.Equal(2, usage["rows"]!.AsArray().Count);
        Assert.Equal(1, await RequestsAsync(bridge, "tenant=a"));
        Assert.Equal(2, await RequestsAsync(bridge, $"tenant=b&model=deepseek-r1:7b&day={day}"));
        Assert.Equal(0, await RequestsAsync(bridge, "day=2001-01-01"));
        Assert.Equal(0, await RequestsAsync(bridge, "model=nope"));
    }

    [Theory]
    [InlineData("/bridge/usage?day=yesterday", null, 400)]
    [InlineData("/bridge/usage", "192.0.2.1", 403)]
    [InlineData("/bridge/ledger", "192.0.2.1", 403)]
    public async Task Get_InvalidDayOrUnauthorizedClient_Refused(string path, string? from, int status)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (from is not null)
            request.Headers.Add("Test-Remote-Address", from);

        using var answer = await bridge.Client.SendAsync(request, Token);

        Assert.Equal((HttpStatusCode)status, answer.StatusCode);
    }

    [Fact]
    public async Task Ledger_ConcurrentRequestsWithDisconnects_OneRecordEach()
    {
        await using var fleet = await TestFleet.StartAsync(
            2, SimulatorOptions.Instant with { ParallelSlots = 2, DecodePerToken = TimeSpan.FromMilliseconds(2) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Times = 5 });
        bridge.Tenant = new Tenant { Id = "team", Limits = new TenantLimits { ConcurrentRequests = 30 } };

        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            // Clients disconnect only after part of the response: the record of a request that is cut off while it is sent is not defined.
            using var answer = await bridge.OpenAsync("/api/chat", Ask.Chat(stream: true, text: $"{i}"), Token);
            if (i % 3 != 0)
                await answer.Content.ReadAsStringAsync(Token);
        }));

        await WrittenAsync(bridge, 60);
        Assert.Equal(60, (await Ledger(bridge).UsageAsync(default, Token)).Items.Sum(e => e.Sum.Requests));
    }

    private static ILedger Ledger(TestBridge bridge) => bridge.Services.GetRequiredService<ILedger>();

    private static async Task<long> RequestsAsync(TestBridge bridge, string query) =>
        (await bridge.GetJsonAsync($"/bridge/usage?{query}"))["total"]!["requests"]!.GetValue<long>();

    /// <summary>A client receives its response slightly before the record is written.</summary>
    private static Task WrittenAsync(TestBridge bridge, int count) =>
        Eventually.BecomesAsync(() => Ledger(bridge).LatestAsync(1000, Token).Result.Items.Count == count, TimeSpan.FromSeconds(20));
}
