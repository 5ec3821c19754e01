using System.Net;
using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using static OllamaBridge.Gateway.FunctionalTests.Fixtures.EveryRoute;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Each fault on every inference route, streamed and not. Silent instances: <c>SilentInstanceTests</c>.</summary>
public sealed class EveryRouteFaultTests
{
    private const string Page = "<html><body>An error of the edge</body></html>";

    private static readonly Dictionary<string, Fault> Faults = new()
    {
        ["reset before the first byte"] = new() { Kind = FaultKind.ResetBeforeHeaders, Times = 2 },
        ["stale kept connection"] = new() { Kind = FaultKind.ResetBeforeHeaders, Times = 1 },
        ["500"] = new() { Kind = FaultKind.Status, Status = 500, Times = 1 },
        ["503, busy"] = new() { Kind = FaultKind.Status, Status = 503, RetryAfter = 1, Times = 1 },
        ["429, busy"] = new() { Kind = FaultKind.Status, Status = 429, RetryAfter = 1, Times = 1 },
        ["502 of an edge"] = new() { Kind = FaultKind.Status, Status = 502, Page = Page, Times = 1 },
        ["504 of an edge"] = new() { Kind = FaultKind.Status, Status = 504, Page = Page, Times = 1 },
        ["403 of an edge"] = new() { Kind = FaultKind.Status, Status = 403, Page = Page, Times = 1 },
        ["404 of an edge"] = new() { Kind = FaultKind.Status, Status = 404, Page = Page, Times = 1 },
        ["413 of an edge"] = new() { Kind = FaultKind.Status, Status = 413, Page = Page, Times = 1 },
        ["out of memory"] = new() { Kind = FaultKind.Status, Status = 500, Message = "model requires more system memory (99 GiB) than is available", Times = 1 },
    };


    public static TheoryData<string> Kinds => [.. Faults.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Send_OneInstanceFails_SameResponseFromOther(string kind)
    {
        await using var fleet = await StartFleetAsync();
        foreach (var (path, stream) in All)
        {
            // A new bridge, so that the fault of another route has no effect.
            await using var bridge = await StartAsync(fleet);
            var whole = await AskAsync(bridge, path, stream);
            var failing = fleet[whole.Instance == "sim-1" ? 0 : 1];
            failing.Faults.Add(Faults[kind] with { Path = path });

            // Embeddings have no conversation, so they go to any instance.
            RouteAnswer answer;
            var asked = 0;
            do
            {
                answer = await AskAsync(bridge, path, stream);
                Assert.True(answer.Status == HttpStatusCode.OK && answer.Text == whole.Text, $"{path} {stream}: {answer}\ninstead of {whole}");
            }
            while (failing.Faults.Faults.Count > 0 && IsEmbedding(path) && ++asked < 100);

            Assert.True(failing.Faults.Faults.Count == 0, $"{path} {stream}: the fault was not applied");
            // A stale connection is not evidence against its instance.
            var by = failing == fleet[0] ? "sim-1" : "sim-2";
            Assert.True(answer.Instance == by == (kind == "stale kept connection"), $"{path} {stream}: {answer.Instance}, the fault on {by}");
        }
    }

    [Fact]
    public async Task Send_OneInstanceRefusesConnections_SameResponseFromOther()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet);
        foreach (var (path, stream) in All)
        {
            var whole = await AskAsync(bridge, path, stream);
            var failing = fleet[whole.Instance == "sim-1" ? 0 : 1];
            failing.Faults.Add(new Fault { Kind = FaultKind.Refuse });

            var answer = await AskAsync(bridge, path, stream);

            Assert.True(answer.Status == HttpStatusCode.OK && answer.Text == whole.Text, $"{path} {stream}: {answer}\ninstead of {whole}");
            Assert.NotEqual(failing == fleet[0] ? "sim-1" : "sim-2", answer.Instance);
            failing.Faults.Clear();
            await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable), "it is back");
        }
    }

    [Theory]
    [InlineData(500, null)]
    [InlineData(500, "error parsing tool call: raw='{'")]
    [InlineData(500, "model requires more system memory (99 GiB) than is available")]
    public async Task Send_EveryInstanceFailsAlike_ErrorAfterTwoAttemptsThenAfterOne(int status, string? message)
    {
        await using var fleet = await StartFleetAsync();
        foreach (var (path, stream) in All)
        {
            await using var bridge = await StartAsync(fleet);
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, Message = message, Path = path });
            foreach (var attempts in new[] { 2, 1, 1 })
            {
                var before = Sent(path);
                var answer = await AskAsync(bridge, path, stream);
                Assert.Equal(status, (int)answer.Status);
                AssertError(path, answer);
                Assert.True(Sent(path) - before == attempts, $"{path} {stream}: {Sent(path) - before} attempts instead of {attempts}");
            }

            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }

        long Sent(string path) => fleet.Servers.Sum(s => s.Statistics.Seen.Count(r => r.Path == path));
    }

    [Theory]
    [InlineData(500, 500)]
    [InlineData(502, 502)]
    [InlineData(504, 504)]
    [InlineData(413, 413)]
    [InlineData(403, 502)]
    [InlineData(404, 502)]
    public async Task Send_EveryEdgeFails_ErrorInClientsProtocol(int status, int shown)
    {
        await using var fleet = await StartFleetAsync();
        foreach (var (path, stream) in All)
        {
            await using var bridge = await StartAsync(fleet);
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, Page = Page, Path = path });

            var answer = await AskAsync(bridge, path, stream);

            Assert.True((int)answer.Status == shown, $"{path}: {answer}");
            AssertError(path, answer);
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }
    }

    [Fact]
    public async Task Send_UnknownModel_404InClientsProtocolWithoutAttempt()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet);
        var before = fleet.Sum(s => s.Requests);
        foreach (var (path, stream) in All)
        {
            var answer = await AskAsync(bridge, path, stream, "nothing:7b");
            Assert.Equal(HttpStatusCode.NotFound, answer.Status);
            AssertError(path, answer);
        }

        Assert.Equal(before, fleet.Sum(s => s.Requests));
    }

    [Fact]
    public async Task Send_DifferentDigestsOfOneName_OnlyNewestServed()
    {
        await using var old = await StartFleetAsync();
        await using var fresh = await StartFleetAsync();
        foreach (var name in new[] { TestFleet.Model, Embeddings })
        {
            var model = fresh.Store.Find(name)!;
            fresh.Store.Remove(name);
            fresh.Store.Add(model with { SizeBytes = model.SizeBytes + 5_000_000_000, ModifiedAt = DateTimeOffset.UtcNow.AddDays(1) });
        }

        await using var bridge = await TestBridge.StartAsync([old[0], fresh[0]]);
        await bridge.UntilAsync(s => s.Mismatches.Length == 2, "the mismatches are known");
        foreach (var (path, stream) in All)
            for (var i = 0; i < 3; i++)
                Assert.Equal("sim-2", InstanceOf(await AskAsync(bridge, path, stream)));

        static string? InstanceOf(RouteAnswer answer) => answer.Status == HttpStatusCode.OK ? answer.Instance : $"{answer}";
    }

    [Fact]
    public async Task Send_UnstreamedResponseInterrupted_SameResponseFromOther()
    {
        foreach (var (path, stream) in All.Where(r => !r.Stream))
        {
            var isBroken = true;
            ScriptedReply? Answer(ScriptedRequest request)
            {
                if (request.Path != path)
                    return null;
                var body = Encoding.UTF8.GetBytes(Whole(path));
                var head = Encoding.Latin1.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
                var reply = new ScriptedReply([.. head, .. isBroken ? body[..(body.Length / 2)] : body], Closes: isBroken);
                isBroken = false;
                return reply;
            }

            await using var one = new ScriptedServer(Answer);
            await using var two = new ScriptedServer(Answer);
            await using var bridge = await ScriptedServer.BridgeAsync([one, two]);

            var answer = await AskAsync(bridge, path, stream, "m");

            Assert.True(answer.Status == HttpStatusCode.OK && answer.Text == Normal.Of(Whole(path)), $"{path}: {answer}");
            Assert.Equal(2, one.Seen.Count(r => r.Path == path) + two.Seen.Count(r => r.Path == path));
        }
    }

    [Fact]
    public async Task Stream_ResponsesInterrupted_ErrorWithoutLastEvent()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet);
        foreach (var kind in new[] { FaultKind.CutAfterTokens, FaultKind.EndEarly })
        {
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = kind, AfterTokens = 4, Times = 1 });

            var answer = await AskAsync(bridge, "/v1/responses", stream: true);

            Assert.Contains("event: error", answer.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("response.completed", answer.Text, StringComparison.Ordinal);
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }
    }

    private static string Whole(string path) => path switch
    {
        "/api/chat" => """{"model":"m","message":{"role":"assistant","content":"Yes."},"done":true,"done_reason":"stop","prompt_eval_count":2,"eval_count":2}""",
        "/api/generate" => """{"model":"m","response":"Yes.","done":true,"done_reason":"stop","prompt_eval_count":2,"eval_count":2}""",
        "/api/embed" => """{"model":"m","embeddings":[[0.1,0.2]],"prompt_eval_count":2}""",
        "/api/embeddings" => """{"embedding":[0.1,0.2]}""",
        "/v1/chat/completions" => """{"id":"chatcmpl-1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}""",
        "/v1/completions" => """{"id":"cmpl-1","object":"text_completion","model":"m","choices":[{"index":0,"text":"Yes.","finish_reason":"stop"}]}""",
        "/v1/messages" => """{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Yes."}],"stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":2}}""",
        "/v1/responses" => """{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes."}]}]}""",
        _ => """{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}""",
    };
}
