using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using static OllamaBridge.Gateway.FunctionalTests.Fixtures.FaultFixture;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Each failure before the first byte, in every protocol, streamed and not; failures after it: <c>ContinuationTests</c>.</summary>
public sealed class FaultSuiteTests
{

    /// <summary>Default time-outs, with a clock ten times as fast as the real one.</summary>
    private static readonly (string, string)[] Health = [("Bridge:Health:Interval", "00:00:01"), ("Bridge:Health:Timeout", "00:01:00")];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Routes()
    {
        var data = new TheoryData<string, bool>();
        foreach (var path in Paths)
        {
            data.Add(path, true);
            data.Add(path, false);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_OneInstanceFailsOnce_SameResponseFromAnother(string path, bool stream)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = 12 });
        await using var bridge = await StartAsync(fleet, new ScaledTime(10), Health);
        var body = Body(path, null, stream);
        var whole = await AskAsync(bridge, path, body: body);
        foreach (var fault in new[]
        {
            new Fault { Kind = FaultKind.ResetBeforeHeaders, Times = 1 },
            new Fault { Kind = FaultKind.Hang },
            new Fault { Kind = FaultKind.Frozen },
            new Fault { Kind = FaultKind.Status, Status = 429, RetryAfter = 1, Times = 1 },
            new Fault { Kind = FaultKind.Status, Status = 500, Times = 1 },
            new Fault { Kind = FaultKind.Status, Status = 502, Times = 1 },
            new Fault { Kind = FaultKind.Status, Status = 503, RetryAfter = 1, Times = 1 },
            new Fault { Kind = FaultKind.EndEarly, AfterTokens = 0, Times = 1 },
            new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 0, Times = 1 },
            new Fault { Kind = FaultKind.MalformedLine, AfterTokens = 0, Times = 1 },
            new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 0, Times = 1 },
        })
        {
            var instance = (await AskAsync(bridge, path, body: body)).Instance;
            var before = fleet.Sum(s => s.Requests);
            fleet[instance].Faults.Add(fault);

            var answer = await AskAsync(bridge, path, body: body).WaitAsync(TestTimeouts.Guard, Token);

            Assert.True(whole.Answer == answer.Answer, $"{fault.Kind} {fault.Status}:\n{whole.Answer}\n{answer.Answer}");
            // A messages stream starts with a frame of the first instance, so its header names that instance.
            if (path != "/v1/messages")
                Assert.True((fault.Kind is FaultKind.ResetBeforeHeaders or FaultKind.CutAfterTokens ? instance : 1 - instance) == answer.Instance, $"{fault.Kind} {fault.Status}: {answer.Instance}"); // a kept connection may be stale
            if (fault.Times is not null)
            {
                Assert.Empty(fleet[instance].Faults.Faults);
                Assert.Equal(2, fleet.Sum(s => s.Requests) - before);
            }

            fleet[instance].Faults.Clear();
        }
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_OneInstanceRefusesConnections_SameResponseFromAnother(string path, bool stream)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = 12 });
        await using var bridge = await StartAsync(fleet);
        var body = Body(path, null, stream);
        var whole = await AskAsync(bridge, path, body: body);
        await fleet[whole.Instance].KillAsync();

        var answer = await AskAsync(bridge, path, body: body);

        Assert.Equal(whole.Answer, answer.Answer);
        Assert.Equal(1 - whole.Instance, answer.Instance);
    }

    [Theory]
    [InlineData(429, 7, 2)]
    [InlineData(503, 7, 2)]
    [InlineData(500, null, 3)]
    public async Task Send_EveryInstanceAlwaysFails_StatusInClientsProtocolAfterBoundedAttempts(int status, int? retryAfter, int most)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model });
        foreach (var (path, stream) in Routes().Select(r => r.Data))
        {
            await using var bridge = await StartAsync(fleet);
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, RetryAfter = retryAfter });
            var before = fleet.Sum(s => s.Requests);

            using var answer = await bridge.PostAsync(path, Body(path, null, stream), Token);

            Assert.Equal(status, (int)answer.StatusCode);
            Assert.InRange(fleet.Sum(s => s.Requests) - before, 1, most);
            if (retryAfter is not null)
                Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
            await AssertErrorAsync(path, answer);
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }
    }

    [Theory]
    [InlineData("this request exceeds the available context size, try increasing it")]
    [InlineData("the request was refused by the content policy")]
    public async Task Send_InstanceRejectsRequest_PassedOnWithoutRetry(string message)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model });
        await using var bridge = await StartAsync(fleet);
        foreach (var (path, stream) in Routes().Select(r => r.Data))
        {
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = message });
            var before = fleet.Sum(s => s.Requests);

            using var answer = await bridge.PostAsync(path, Body(path, null, stream), Token);

            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains(message, await AssertErrorAsync(path, answer), StringComparison.Ordinal);
            Assert.Equal(1, fleet.Sum(s => s.Requests) - before);
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }
    }

    private static async Task<string> AssertErrorAsync(string path, HttpResponseMessage answer)
    {
        var json = (await answer.Content.ReadFromJsonAsync<JsonNode>(Token))!;
        var message = path.StartsWith("/api/", StringComparison.Ordinal) ? json["error"] : json["error"]!["message"];
        if (path == "/v1/messages")
            Assert.Equal("error", json["type"]!.GetValue<string>());
        return message!.GetValue<string>();
    }
}
