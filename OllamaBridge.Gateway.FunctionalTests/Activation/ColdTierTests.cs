using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.FunctionalTests.Telemetry;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Activation;

/// <summary>Scale from zero for a model's tier, and back to zero after its idle time. Not parallel, because the tests measure time.</summary>
[Collection(nameof(Alone))]
public sealed class ColdTierTests
{
    private const string Idle = "Bridge:Tiers:cold:IdleTime";
    private const string StartTimeout = "Bridge:Tiers:cold:StartTimeout";
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Chat_TierAtZero_ScalesUpServesAndScalesDownRepeatedly(string path)
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync((Idle, "00:00:01"));
        for (var round = 1; round <= 2; round++)
        {
            using var answer = await bridge.PostAsync(path, Body(path), Token);

            var text = await answer.Content.ReadAsStringAsync(Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("ollama-cold-0", answer.Headers.GetValues("X-Bridge-Instance").Single());
            Assert.Equal((1, null), (StreamedAnswer.Parse(path, text).Ends, StreamedAnswer.Parse(path, text).Error));
            Assert.Equal(1, bed.Api.Replicas);
            await Eventually.BecomesAsync(() => bed.Api.Replicas == 0, Patience);
            await Eventually.BecomesAsync(async () => await TierAsync(bridge, "state") == "asleep", Patience);
            Assert.Equal(2 * round, bed.Api.Patches);
        }

        Assert.True(await MetricAsync(bridge, "succeeded") >= 2);
    }

    [Fact]
    public async Task Chat_TwentyConcurrentRequests_OneActivationAndAllSucceed()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: i % 2 == 0, text: $"{i}"), Token)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(["PATCH 1"], bed.Api.Asked.Where(a => a != "GET"));
        await Eventually.BecomesAsync(async () => await MetricAsync(bridge, "succeeded") >= 1, Patience);
    }

    [Fact]
    public async Task Lists_TierAtZero_ModelListedUnchangedAfterScaleDown()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync((Idle, "00:00:00.5"));
        var unseen = await EntryAsync(bridge);
        Assert.Equal((ColdTierFixture.Model, ColdTierFixture.Model, 0), (unseen["name"]!.GetValue<string>(), unseen["model"]!.GetValue<string>(), unseen["size"]!.GetValue<long>()));
        Assert.Equal(64, unseen["digest"]!.GetValue<string>().Length);
        Assert.True(DateTimeOffset.TryParse(unseen["modified_at"]!.GetValue<string>(), out _));
        // A real server's entry has more details in later versions; these exist in all versions.
        Assert.Equal(
            ["families", "family", "format", "parameter_size", "parent_model", "quantization_level"], unseen["details"]!.AsObject().Select(d => d.Key).Order());

        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        var awake = await EntryAsync(bridge);
        await Eventually.BecomesAsync(() => bed.Api.Replicas == 0, Patience);
        await bridge.UntilAsync(s => s.Instances.Length == 1, "the tier's instance is removed");

        Assert.NotEqual(unseen.ToJsonString(), awake.ToJsonString());
        Assert.Equal(awake.ToJsonString(), (await EntryAsync(bridge)).ToJsonString());
        Assert.Contains(ColdTierFixture.Model, (await bridge.GetJsonAsync("/v1/models"))["data"]!.AsArray().Select(m => m!["id"]!.GetValue<string>()));
        var asked = bed.Api.Patches;
        Assert.Equal(ColdTierFixture.Model, (await bridge.GetJsonAsync($"/v1/models/{ColdTierFixture.Model}"))["id"]!.GetValue<string>());
        Assert.Equal(asked, bed.Api.Patches);
        using var unknown = await bridge.PostAsync("/api/chat", Ask.Chat("llama3:71b"), Token);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Show_TierAtZero_StartsTierAndSucceeds()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();
        using var answer = await bridge.PostAsync("/api/show", new { model = ColdTierFixture.Model }, Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotNull(JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["details"]);
    }

    [Fact]
    public async Task Delete_TierAtZero_503WithoutActivation()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();
        using var request = new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = new StringContent($$"""{"model":"{{ColdTierFixture.Model}}"}""") };
        using var answer = await bridge.Client.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.DoesNotContain(bed.Api.Asked, a => a.StartsWith("PATCH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_ClientDisconnectsWhileWaiting_LeavesQueueAndTierScalesDown()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        var starts = new TaskCompletionSource();
        bed.Api.Scaled = async n =>
        {
            if (n > 0)
                await starts.Task;
            await bed.ScaleAsync(n);
        };
        await using var bridge = await bed.OpenAsync((Idle, "00:00:01"));
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var asked = bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model), gone.Token);
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 1 && bed.Api.Replicas == 1, Patience);

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 0, Patience);
        starts.SetResult();

        await Eventually.BecomesAsync(() => bed.Api.Replicas == 0, Patience);
        Assert.Equal(0, bed.Cold[0].Statistics.MaxConcurrentRequests);
        // The outcome depends on the order in which the controller observes the empty queue and the new instance.
        await Eventually.BecomesAsync(async () => await MetricAsync(bridge, "abandoned") + await MetricAsync(bridge, "succeeded") >= 1, Patience);
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.NotFound)]
    public async Task Chat_PlatformRefuses_503ImmediatelyInClientsProtocol(HttpStatusCode status)
    {
        await using var bed = await ColdTierFixture.StartAsync();
        bed.Api.Status = status;
        await using var bridge = await bed.OpenAsync();
        for (var i = 0; i < 2; i++)
        {
            using var answer = await bridge.PostAsync("/v1/messages", Ask.Anthropic(ColdTierFixture.Model), Token).WaitAsync(TimeSpan.FromSeconds(20), Token);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 10);
            var error = await answer.Content.ReadAsStringAsync(Token);
            Assert.Contains("overloaded_error", error, StringComparison.Ordinal);
            Assert.Contains("the platform refuses it", error, StringComparison.Ordinal);
        }

        // The second request gets the error of the first activation.
        Assert.Single(bed.Api.Asked);
        Assert.True(await MetricAsync(bridge, "refused") >= 1);
        Assert.Contains("as the test wants it", await TierAsync(bridge, "error"), StringComparison.Ordinal);
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Error 1603", StringComparison.Ordinal));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("a-canary-of-a-token", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_PlatformFailsOnce_RetriedAndSucceeds()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        bed.Api.Status = HttpStatusCode.InternalServerError;
        await using var bridge = await bed.OpenAsync();
        var asked = bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
        await Eventually.BecomesAsync(() => bed.Api.Asked.Count == 2, Patience);
        bed.Api.Status = null;
        using var answer = await asked;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData(false, "late")]
    [InlineData(true, "failed")]
    public async Task Chat_NoInstanceStarts_HeartbeatsThen503AfterStartTimeout(bool hangs, string outcome)
    {
        await using var bed = await ColdTierFixture.StartAsync();
        bed.NeverStarts = true;
        if (hangs)
            bed.Api.Held = new TaskCompletionSource().Task;
        await using var bridge = await bed.OpenAsync((StartTimeout, "00:00:01.5"), ("Bridge:Queue:MaxWait", "00:00:00.2"), ("Bridge:Queue:ProgressInterval", "00:00:00.1"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = System.Net.Http.Json.JsonContent.Create(Ask.Chat(ColdTierFixture.Model, stream: true)) };
        request.Headers.Add("X-Bridge-Progress", "1");

        var plain = bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
        using var stream = await bridge.Client.SendAsync(request, Token);
        using var answer = await plain;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.IsType<RetryConditionHeaderValue>(answer.Headers.RetryAfter);
        Assert.Contains("no instance with this model was started in time", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        var lines = (await stream.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');
        Assert.InRange(lines.Length, 3, 20);
        Assert.InRange(JsonNode.Parse(lines[0])!["bridge"]!["position"]!.GetValue<int>(), 1, 2);
        Assert.StartsWith("{\"error\":", lines[^1], StringComparison.Ordinal);
        await Eventually.BecomesAsync(async () => await MetricAsync(bridge, outcome) >= 1, Patience);
    }

    [Fact]
    public async Task Chat_DuringScaleDown_ServedByTier()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        // The drain lasts for two sharing intervals. The request arrives far earlier and ends it.
        await using var bridge = await bed.OpenAsync((Idle, "00:00:00.5"), ("Bridge:Sharing:Interval", "00:00:05"), ("Bridge:Sharing:Timeout", "00:00:15"));
        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances is [_, { Draining: true }], "it is emptied");

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal((1, 1), (bed.Api.Replicas, bed.Api.Patches));
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Information 1607", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Audit_TheTierWakesAndSleeps_EachScaleHasAnEntry()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync((Idle, "00:00:00.3"));
        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        await Eventually.BecomesAsync(() => bed.Api.Replicas == 0, Patience);

        System.Text.Json.Nodes.JsonArray entries = [];
        await Eventually.BecomesAsync(async () => (entries = (await bridge.GetJsonAsync("/bridge/audit?action=tier")).AsArray()).Count == 2, Patience);
        Assert.Equal([0, 1], entries.Select(e => e!["after"]!["instances"]!.GetValue<int>()));
        Assert.All(entries, e => Assert.Equal(("bridge", "done"), (e!["actor"]!.GetValue<string>(), e["outcome"]!.GetValue<string>())));
        Assert.Contains((await bridge.GetJsonAsync("/bridge/audit?action=drain.start")).AsArray(), e => e!["actor"]!.GetValue<string>() == "bridge");
    }

    [Fact]
    public async Task Chat_StreamOutlastsIdleTime_TierStaysUp()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync((Idle, "00:00:00.3"));
        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        bed.Cold[0].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(3) });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: true), Token);

        Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(["PATCH 1"], bed.Api.Asked.Where(a => a != "GET"));
    }

    [Fact]
    public async Task TwoGateways_OneUsesTier_OtherDoesNotScaleDown()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var bed = await ColdTierFixture.StartAsync();
        (string, string)[] shared = [(Idle, "00:00:01"), ("Bridge:State:ConnectionString", $"127.0.0.1:{state.Options.Port}")];
        await using var one = await bed.OpenAsync(shared);
        await using var other = await bed.OpenAsync(shared);
        for (var until = DateTime.UtcNow + TimeSpan.FromSeconds(4); DateTime.UtcNow < until;)
        {
            using var answer = await one.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.Equal(["PATCH 1"], bed.Api.Asked.Where(a => a != "GET"));
        Assert.True(double.Parse(await TierAsync(other, "unusedSeconds"), System.Globalization.CultureInfo.InvariantCulture) > 0);
        await Eventually.BecomesAsync(() => bed.Api.Replicas == 0, Patience);
        // Until then it may still send to the instance that stops.
        await Eventually.BecomesAsync(async () => await TierAsync(other, "state") == "asleep", Patience);
        // The gateway that did not scale the tier to zero also serves the model again.
        using var again = await other.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task TwoGateways_ConcurrentRequests_OneGatewayScales()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var bed = await ColdTierFixture.StartAsync();
        using var both = new CountdownEvent(2);
        bed.Api.BeforePatch = () =>
        {
            // Both read the same state, if they run at the same pace.
            if (!both.IsSet)
                both.Signal();
            both.Wait(TimeSpan.FromSeconds(2), Token);
        };
        (string, string) shared = ("Bridge:State:ConnectionString", $"127.0.0.1:{state.Options.Port}");
        TestBridge[] bridges = [await bed.OpenAsync(shared), await bed.OpenAsync(shared)];

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            bridges[i % 2].PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false, text: $"{i}"), Token)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(1, bed.Api.Replicas);
        Assert.Single(bed.Cold);
        Assert.All(bed.Api.Asked.Where(a => a != "GET"), a => Assert.Equal("PATCH 1", a));
    }

    [Fact]
    public async Task Chat_TierNotAllowedForTenant_404AndNotListed()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();
        var record = new TenantRecord { Id = "hot-only", Instances = ["sim-*"] };
        bridge.Tenant = new Tenant { Id = "hot-only", Instances = InstanceAccess.Of(record, [record]) };

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model), Token);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal([TestFleet.Model], (await bridge.GetJsonAsync("/api/tags"))["models"]!.AsArray().Select(m => m!["name"]!.GetValue<string>()));
        Assert.Empty(bed.Api.Asked);
    }

    [Fact]
    public async Task SharedStateUnavailable_Tier_ScalesUpButNotDown()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync((Idle, "00:00:00.2"), ("Bridge:State:ConnectionString", "127.0.0.1:1"));
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await Eventually.BecomesAsync(() => bridge.Logs.Lines.Any(l => l.StartsWith("Warning 1608", StringComparison.Ordinal)), Patience);
        Assert.Equal(["PATCH 1"], bed.Api.Asked.Where(a => a != "GET"));
    }

    [Fact]
    public async Task Chat_FallbackConfigured_FallbackServesImmediatelyWithoutActivation()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync(("Bridge:Models:0:Name", ColdTierFixture.Model), ("Bridge:Models:0:Fallbacks:0", TestFleet.Model));
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("sim-1", answer.Headers.GetValues("X-Bridge-Instance").Single());
        Assert.Empty(bed.Api.Asked);
    }

    [Fact]
    public async Task Stop_DuringActivation_WaitingRequestsFailAndStopCompletes()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        bed.Api.Held = new TaskCompletionSource().Task;
        await using var gateway = await GatewayProcess.StartAsync(
            bed.Hot.Servers, 1,
            ("Bridge:Tiers:cold:Models:0", ColdTierFixture.Model), ("Bridge:Tiers:cold:Activator", "kubernetes"),
            ("Bridge:Kubernetes:KubeConfig", bed.Api.KubeConfig), ("Bridge:Shutdown:GracePeriod", "00:00:01"));
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = gateway.Url };
        var asked = System.Net.Http.Json.HttpClientJsonExtensions.PostAsJsonAsync(client, "/api/chat", Ask.Chat(ColdTierFixture.Model), Token);
        await Eventually.BecomesAsync(() => bed.Api.Asked.Count == 1, Patience);

        gateway.Terminate();

        using var answer = await asked;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("the bridge is being stopped", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(0, await gateway.EndAsync());
    }

    private static object Body(string path) => path switch
    {
        "/api/chat" => Ask.Chat(ColdTierFixture.Model, stream: true),
        "/v1/messages" => Ask.Anthropic(ColdTierFixture.Model, stream: true),
        _ => Ask.OpenAI(ColdTierFixture.Model, stream: true),
    };

    private static async Task<JsonNode> EntryAsync(TestBridge bridge) =>
        (await bridge.GetJsonAsync("/api/tags"))["models"]!.AsArray().Single(m => m!["name"]!.GetValue<string>() == ColdTierFixture.Model)!;

    private static async Task<string> TierAsync(TestBridge bridge, string field) => (await bridge.GetJsonAsync("/bridge/tiers"))[0]![field]!.ToString();

    private static async Task<double> MetricAsync(TestBridge bridge, string outcome) =>
        ScrapedMetric.Read(await bridge.Client.GetStringAsync("/metrics", Token))
            .Where(m => m.Name == "ollama_activations_total" && m.Labels["outcome"] == outcome).Sum(m => m.Value);
}
