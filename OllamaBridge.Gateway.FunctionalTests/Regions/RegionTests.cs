using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;
using static OllamaBridge.Gateway.FunctionalTests.Regions.RegionFixture;

namespace OllamaBridge.Gateway.FunctionalTests.Regions;

/// <summary>A region serves its own requests if it can, and otherwise clients get the same responses from another region.</summary>
public sealed class RegionTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_LocalSlotsFree_NoSpillOver()
    {
        await using var bed = await StartAsync(slots: 4, slotsThere: 16);

        for (var round = 0; round < 10; round++)
            foreach (var answer in await Task.WhenAll(Enumerable.Range(0, 4).Select(i => bed.AskAsync(Ask.Chat(stream: i % 2 == 0, text: $"{round} {i}")))))
                Assert.Equal((HttpStatusCode.OK, "sim-1"), (answer.StatusCode, By(answer)));

        Assert.Equal(0, Ended(bed.B));
    }

    [Theory]
    [InlineData("/api/chat", true)]
    [InlineData("/api/chat", false)]
    [InlineData("/v1/chat/completions", true)]
    [InlineData("/v1/messages", true)]
    public async Task Chat_LocallySaturated_SameResponseFromPeer(string path, bool stream)
    {
        await using var bed = await StartAsync();
        var running = await OccupyAsync(bed.Here, bed.A);

        using var answer = await AskAsync(bed.A, path, path switch
        {
            "/api/chat" => Ask.Chat(stream: stream),
            "/v1/messages" => Ask.Anthropic(stream: stream),
            _ => Ask.OpenAI(stream: stream),
        });

        var whole = StreamedAnswer.Parse(path, await answer.Content.ReadAsStringAsync(Token), answer.Content.Headers.ContentType!.MediaType!);
        Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (answer.StatusCode, By(answer)));
        Assert.Equal((1, null), (whole.Ends, whole.Error));
        string[] own = stream ? ["X-Accel-Buffering", "X-Bridge-Instance", "X-Request-Id"] : ["X-Bridge-Instance", "X-Request-Id"];
        Assert.Equal(own, answer.Headers.Select(h => h.Key).Where(h => h.StartsWith("X-", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal), StringComparer.OrdinalIgnoreCase);
        Assert.All(bed.There[0].Statistics.Seen, r => Assert.DoesNotContain(r.Headers.Keys, h => h.StartsWith("X-Bridge", StringComparison.OrdinalIgnoreCase)));
        await ThawAsync(bed.Here, running);
    }

    [Fact]
    public async Task Chat_BothRegionsSaturated_WaitsAndServedLocally()
    {
        await using var bed = await StartAsync();
        var here = await OccupyAsync(bed.Here, bed.A);
        var there = await OccupyAsync(bed.There, bed.B);
        await bed.UntilRoomAsync(0);

        var pending = bed.AskAsync(Ask.Chat(stream: false));
        await WaitsAsync(bed.A);

        Assert.Equal((0, 1), (bed.B.Queue.Count, bed.A.Queue.Count));
        await ThawAsync(bed.Here, here);
        using var answer = await pending;
        Assert.Equal((HttpStatusCode.OK, "sim-1"), (answer.StatusCode, By(answer)));
        await ThawAsync(bed.There, there);
        await EndAsync("chat", 1, bed.B);
    }

    [Fact]
    public async Task Chat_RequestsWaitAtPeer_WaitsLocally()
    {
        await using var bed = await StartAsync();
        var here = await OccupyAsync(bed.Here, bed.A);
        // The bridge assumes two slots more than the server of b has: b has a free slot and a waiting request at the same time.
        await bed.A.UntilAsync(s => Peer(s, "b").Instance.FreeSlots(TestFleet.Model) == 1, "the peer has a free slot");
        bed.B.Fleet.Current.Models[TestFleet.Model].State.AddWaiting(1);
        await bed.UntilRoomAsync(0);

        var pending = bed.AskAsync(Ask.Chat(stream: false));
        await WaitsAsync(bed.A);

        Assert.Equal(0, Ended(bed.B));
        bed.B.Fleet.Current.Models[TestFleet.Model].State.AddWaiting(-1);
        Assert.Equal("b/sim-1", By(await pending));
        await ThawAsync(bed.Here, here);
    }

    [Fact]
    public async Task Chat_LocalServerDies_PeerServesImmediatelyWithoutRetry()
    {
        await using var bed = await StartAsync(1, 1, ("Bridge:Regions:SpillAfter", "01:00:00"), ("Bridge:Forwarding:RetryBurst", "0"), ("Bridge:Forwarding:RetryRatio", "0"));
        await bed.Here[0].KillAsync();

        foreach (var stream in new[] { true, false })
        {
            using var answer = await bed.AskAsync(Ask.Chat(stream: stream));
            Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (answer.StatusCode, By(answer)));
        }

        using var show = await AskAsync(bed.A, "/api/show", new { model = TestFleet.Model });
        Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (show.StatusCode, By(show)));
        await bed.Here[0].RestartAsync(Token);
        await bed.A.UntilAsync(s => s.Instances[0].IsUsable, "the local server is usable again");
        Assert.Equal("sim-1", By(await bed.AskAsync(Ask.Chat(stream: false))));
    }

    [Fact]
    public async Task Chat_BothRegionsDead_503WithoutFurtherHop()
    {
        await using var bed = await StartAsync();
        await bed.Here[0].KillAsync();
        await bed.There[0].KillAsync();

        // At once, while each bridge still considers the other healthy.
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => AskAsync(i % 2 == 0 ? bed.A : bed.B, "/api/chat", Ask.Chat(stream: i % 4 < 2, text: $"{i}"))));

        Assert.All(answers, a => Assert.Contains((int)a.StatusCode, new[] { 502, 503 }));
        await IdleAsync(bed.A, bed.B);
        // Each bridge gets its ten clients' requests, and at most the attempts that the other one sent; no request is forwarded again.
        Assert.InRange(Ended(bed.A), 10, 10 + (10 * 3));
        Assert.InRange(Ended(bed.B), 10, 10 + (10 * 3));
        await bed.A.UntilAsync(s => !s.Instances[0].IsUsable && !Peer(s, "b").Instance.PeerCanServe(TestFleet.Model), "a has the state of b without instances");
        var before = (Ended(bed.A), Ended(bed.B));
        using var late = await bed.AskAsync(Ask.Chat(stream: false));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, late.StatusCode);
        await EndAsync("chat", before.Item1 + 1, bed.A);
        Assert.Equal(before.Item2, Ended(bed.B));
    }

    [Fact]
    public async Task Chat_BothRegionsOverloaded_OneResponseEachAndOneHopAtMost()
    {
        await using var bed = await StartAsync(TimeSpan.FromMilliseconds(10), 2, 2, [], []);

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => AskAsync(i % 2 == 0 ? bed.A : bed.B, "/api/chat", Ask.Chat(stream: i % 4 < 2, text: $"{i}"))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.DoesNotContain(answers, a => By(a).Split('/').Length > 2);
        Assert.Equal(60, bed.Here[0].Statistics.Seen.Concat(bed.There[0].Statistics.Seen).Count(r => r.Path == "/api/chat"));
        await EndAsync("chat", 60 + answers.Count(a => By(a).Contains('/', StringComparison.Ordinal)), bed.A, bed.B);
    }

    [Fact]
    public async Task Chat_FromAnotherRegion_NotForwarded()
    {
        await using var bed = await StartAsync(1, 1, ("Bridge:Regions:SpillAfter", "00:00:00"));
        await bed.Here[0].KillAsync();
        await bed.A.UntilAsync(s => !s.Instances[0].IsUsable, "the local instance is not usable");

        using var refused = await bed.AskAsync(Ask.Chat(stream: false), ("X-Bridge-Regions", "c"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal(0, Ended(bed.B));
        Assert.Equal("b/sim-1", By(await bed.AskAsync(Ask.Chat(stream: false))));
    }

    [Theory]
    [InlineData("/api/chat", "\"error\":\"the request has already passed through region a\"")]
    [InlineData("/v1/chat/completions", "\"type\":\"api_error\"")]
    [InlineData("/v1/messages", "\"type\":\"api_error\"")]
    public async Task Chat_RoutingLoop_508InClientsProtocol(string path, string words)
    {
        await using var bed = await StartAsync();

        using var refused = await AskAsync(bed.A, path, path == "/api/chat" ? Ask.Chat() : path == "/v1/messages" ? Ask.Anthropic() : Ask.OpenAI(), ("X-Bridge-Regions", "c, A"));

        Assert.Equal(508, (int)refused.StatusCode);
        Assert.Contains(words, await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Contains(bed.A.Logs.Lines, l => l.StartsWith("Warning 1671 ", StringComparison.Ordinal));
        Assert.Equal(0, bed.Here.Sum(s => s.Requests));
    }

    [Fact]
    public async Task Conversation_StartedAtPeer_StaysAtPeer()
    {
        await using var bed = await StartAsync();
        var running = await OccupyAsync(bed.Here, bed.A);
        using (var first = await bed.AskAsync(Turn(1)))
            Assert.Equal("b/sim-1", By(first));
        await ThawAsync(bed.Here, running);
        await bed.UntilRoomAsync(1);

        Assert.Equal("b/sim-1", By(await bed.AskAsync(Turn(2))));
        await bed.UntilRoomAsync(1);
        // Another conversation that starts with the same words.
        Assert.Equal("sim-1", By(await bed.AskAsync(Turn(1))));
        Assert.Equal("b/sim-1", By(await bed.AskAsync(Turn(3))));
        await bed.There[0].KillAsync();
        await bed.UntilRoomAsync(0);
        Assert.Equal("sim-1", By(await bed.AskAsync(Turn(4))));
        await bed.There[0].RestartAsync(Token);
        await bed.UntilRoomAsync(1);
        Assert.Equal("sim-1", By(await bed.AskAsync(Turn(5))));
    }

    [Fact]
    public async Task Conversation_StartedLocally_WaitsWithoutBlockingOthers()
    {
        await using var bed = await StartAsync();
        var running = await OccupyAsync(bed.Here, bed.A);

        var later = bed.AskAsync(Turn(2));
        await WaitsAsync(bed.A);
        using var other = await bed.AskAsync(Ask.Chat(stream: false));

        Assert.Equal("b/sim-1", By(other));
        Assert.False(later.IsCompleted);
        await ThawAsync(bed.Here, running);
        Assert.Equal("sim-1", By(await later));
    }

    [Fact]
    public async Task Conversation_StartedLocallyWithoutLocalInstance_ServedByPeerImmediately()
    {
        await using var bed = await StartAsync();
        await bed.Here[0].KillAsync();
        Assert.Equal("b/sim-1", By(await bed.AskAsync(Turn(2))));
    }

    [Fact]
    public async Task PeersKey_Valid_CountedForPeersTenantAndClientsKeyNotForwarded()
    {
        var (key, verifier) = ApiKey.Create();
        await using var bed = await StartAsync(
            pace: null, 1, 1, [("Bridge:Regions:Peers:0:ApiKey", key), ("Logging:LogLevel:Default", "Trace")], [("Bridge:Tenants:region-a:Keys:0", verifier.ToString())], known: false);
        await bed.UntilRoomAsync(1);
        await bed.Here[0].KillAsync();

        using var answer = await bed.AskAsync(Ask.Chat(stream: false), ("Authorization", "Bearer the-clients-own"), ("X-Api-Key", "the-clients-own"));

        Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (answer.StatusCode, By(answer)));
        await EndAsync("chat", 1, bed.B);
        Assert.Contains(bed.B.Logs.Lines, l => l.Contains("1302 chat", StringComparison.Ordinal) && l.Contains("tenant region-a,", StringComparison.Ordinal));
        Assert.DoesNotContain(bed.A.Logs.Lines, l => l.Contains(key, StringComparison.Ordinal));
        Assert.DoesNotContain(key, await bed.A.Client.GetStringAsync("/bridge/instances", Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PeersKey_Invalid_ReportedAndPeerNotUsed()
    {
        var key = ApiKey.Create().Key;
        await using var bed = await StartAsync(
            pace: null, 1, 1, [("Bridge:Regions:Peers:0:ApiKey", key)], [("Bridge:Tenants:region-a:Keys:0", ApiKey.Create().Verifier.ToString())], known: false);
        await bed.A.UntilAsync(s => Peer(s, "b").LastError?.Contains("/bridge/region responded with 401", StringComparison.Ordinal) == true, "b refuses the key");
        await bed.Here[0].KillAsync();

        using var answer = await bed.AskAsync(Ask.Chat(stream: false));

        Assert.Contains((int)answer.StatusCode, new[] { 502, 503 });
        Assert.Equal(0, Ended(bed.B));
        Assert.DoesNotContain(bed.A.Logs.Lines, l => l.Contains(key, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a", "its URL points to this region, a")]
    [InlineData("c", "it reports the name 'c'")]
    public async Task Peer_WrongRegionName_ReportedAndNotUsed(string calls, string mistake)
    {
        await using var bed = await StartAsync(pace: null, 1, 1, [], [("Bridge:Regions:Self", calls), ("Bridge:Regions:Peers:0:Name", "x")], known: false);

        await bed.A.UntilAsync(s => Peer(s, "b") is { Status: InstanceStatus.Unhealthy, LastError: { } error } && error == mistake, "the mistake is seen");

        Assert.Contains(bed.A.Logs.Lines, l => l.StartsWith($"Warning 1670 Ignoring region b: {mistake}", StringComparison.Ordinal));
        await bed.Here[0].KillAsync();
        using var answer = await bed.AskAsync(Ask.Chat(stream: false));
        Assert.Contains((int)answer.StatusCode, new[] { 502, 503 });
        Assert.Equal(0, Ended(bed.B));
    }

    [Fact]
    public async Task Models_OnlyAtPeer_ListedAndServedButNotPropagatedOrChanged()
    {
        const string Theirs = "llama3.2:3b";
        await using var bed = await StartAsync(pace: null, 1, 1, [], [], modelsThere: [Theirs]);

        Assert.Contains(Theirs, await bed.A.Client.GetStringAsync("/api/tags", Token), StringComparison.Ordinal);
        Assert.Contains(Theirs, await bed.A.Client.GetStringAsync("/v1/models", Token), StringComparison.Ordinal);
        using (var answer = await bed.AskAsync(Ask.Chat(Theirs, stream: false)))
            Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (answer.StatusCode, By(answer)));
        // The report to another region contains only local models.
        Assert.DoesNotContain(Theirs, await bed.A.Client.GetStringAsync("/bridge/region", Token), StringComparison.Ordinal);
        using (var tags = new HttpRequestMessage(HttpMethod.Get, "/api/tags") { Headers = { { "X-Bridge-Regions", "c" } } })
        using (var told = await bed.A.Client.SendAsync(tags, Token))
            Assert.DoesNotContain(Theirs, await told.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using var delete = new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = JsonContent.Create(new { model = Theirs }) };
        using var refused = await bed.A.Client.SendAsync(delete, Token);
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
        Assert.Equal(0, Ended(bed.B, "delete"));
    }

    [Fact]
    public async Task Region_Report_FreeSlotsOfLocalInstances()
    {
        await using var bed = await StartAsync(slots: 3);
        var report = await bed.A.GetJsonAsync("/bridge/region");

        Assert.Equal(("a", 1), (report["region"]!.GetValue<string>(), report["instances"]!.GetValue<int>()));
        var model = Assert.Single(report["models"]!.AsArray())!;
        Assert.Equal((TestFleet.Model, 1, 3, 0), (model["name"]!.GetValue<string>(), model["instances"]!.GetValue<int>(), model["free"]!.GetValue<int>(), model["waiting"]!.GetValue<int>()));
        // Every client that may list models may read this from any address; a tenant of other instances gets an empty list.
        bed.A.Client.DefaultRequestHeaders.Add("Test-Remote-Address", "203.0.113.7");
        Assert.Single((await bed.A.GetJsonAsync("/bridge/region"))["models"]!.AsArray());
        bed.A.Tenant = new Tenant { Id = "team", Models = new ModelAccess(["qwen3:4b"]) };
        Assert.Empty((await bed.A.GetJsonAsync("/bridge/region"))["models"]!.AsArray());
    }

    [Fact]
    public async Task Tenant_WithOwnInstances_NoSpillOver()
    {
        await using var bed = await StartAsync();
        bed.A.Tenant = Tenant.Anonymous with { Instances = InstanceAccess.Of(new TenantRecord { Id = "team", Instances = ["sim-*"] }, []) };
        await bed.Here[0].KillAsync();
        using (var refused = await bed.AskAsync(Ask.Chat(stream: false)))
            Assert.Contains((int)refused.StatusCode, new[] { 502, 503 });
        Assert.Equal(0, Ended(bed.B));
        bed.A.Tenant = Tenant.Anonymous with { Instances = InstanceAccess.Of(new TenantRecord { Id = "team", Instances = ["sim-*", "b"] }, []) };
        Assert.Equal("b/sim-1", By(await bed.AskAsync(Ask.Chat(stream: false))));
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_InterruptedAtPeer_ResumedLocally(string path)
    {
        await using var bed = await StartAsync(pace: null, 1, 1, [], [("Bridge:Continuation:Enabled", "false")]);
        bed.UseOneModel();
        var body = FaultFixture.Body(path, limit: null);
        var whole = await ReadAsync(bed.B, path, body);
        bed.There[0].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 4, Times = 1 });
        var running = await OccupyAsync(bed.Here, bed.A);

        var pending = AskAsync(bed.A, path, body);
        await Eventually.BecomesAsync(() => bed.A.Logs.Lines.Any(l => l.Contains("Warning 1250 ", StringComparison.Ordinal)), Patience);
        await ThawAsync(bed.Here, running);
        using var answer = await pending;

        Assert.Equal("b/sim-1", By(answer));
        var read = StreamedAnswer.Parse(path, await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal((whole.Text, 1, null), (read.Text, read.Ends, read.Error));
    }

    [Fact]
    public async Task Stream_InterruptedLocally_ResumedAtPeer()
    {
        await using var bed = await StartAsync();
        bed.UseOneModel();
        var body = FaultFixture.Body("/api/chat", limit: null);
        var whole = await ReadAsync(bed.A, "/api/chat", body);
        bed.Here[0].Faults.Add(new Fault { Kind = FaultKind.Die, AfterTokens = 4, Times = 1 });

        var read = await ReadAsync(bed.A, "/api/chat", body);

        Assert.Equal((whole.Text, 1, null), (read.Text, read.Ends, read.Error));
        await EndAsync("generate", 1, bed.B);
    }

    [Fact]
    public async Task Drain_NoOtherLocalInstance_StreamMovesToPeer()
    {
        // A pace that leaves several seconds to move the stream, even on a loaded machine.
        await using var bed = await StartAsync(TimeSpan.FromMilliseconds(150), 1, 1, [], []);
        bed.UseOneModel();
        var body = FaultFixture.Body("/api/chat", limit: null);
        var whole = await ReadAsync(bed.A, "/api/chat", body);
        using var answer = await bed.A.OpenAsync("/api/chat", body, Token);
        Assert.Equal("sim-1", By(answer));

        using var drain = await bed.A.Client.PostAsync("/bridge/instances/sim-1/drain?deadline=0", null, Token);

        var read = StreamedAnswer.Parse("/api/chat", await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal((whole.Text, 1, null), (read.Text, read.Ends, read.Error));
        Assert.Contains(bed.There[0].Statistics.Seen, r => r.Path is "/api/chat" or "/api/generate");
    }

    [Fact]
    public async Task Metrics_Spillover_ByRegionAndReason()
    {
        await using var bed = await StartAsync();
        await bed.Here[0].KillAsync();
        await bed.A.UntilAsync(s => !s.Instances[0].IsUsable, "the local instance is not usable");
        Assert.Equal("b/sim-1", By(await bed.AskAsync(Ask.Chat(stream: false))));

        await Eventually.BecomesAsync(
            async () => (await bed.A.Client.GetStringAsync("/metrics", Token)).Split('\n').Any(l =>
                l.StartsWith("ollama_spillovers_total{", StringComparison.Ordinal)
                && l.Contains("region=\"b\"", StringComparison.Ordinal) && l.Contains("reason=\"unhealthy\"", StringComparison.Ordinal)),
            Patience);
    }

    private static object Turn(int number)
    {
        var messages = new List<object> { new { role = "user", content = "a conversation of several turns" } };
        for (var turn = 2; turn <= number; turn++)
            messages.AddRange([new { role = "assistant", content = "yes" }, new { role = "user", content = $"turn {turn}" }]);
        return new { model = TestFleet.Model, messages, stream = false, options = new { num_predict = 3, seed = 1 } };
    }

    private static async Task<StreamedAnswer> ReadAsync(TestBridge bridge, string path, object body)
    {
        using var answer = await AskAsync(bridge, path, body);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return StreamedAnswer.Parse(path, await answer.Content.ReadAsStringAsync(Token));
    }
}
