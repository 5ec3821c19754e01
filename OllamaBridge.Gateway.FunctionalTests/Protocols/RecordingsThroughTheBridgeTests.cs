using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Every recorded response of a real server, compared over a raw socket with the response through the bridge.</summary>
public sealed class RecordingsThroughTheBridgeTests
{
    /// <summary>The recordings for which the bridge's response differs on purpose, with the reason.</summary>
    private static readonly Dictionary<string, string> Differs = new()
    {
        ["07-h2c-prior-knowledge"] = "Kestrel says 400 to HTTP/2 without TLS where Go's server hangs up",
        ["07-http10"] = Kestrel10,
        ["07-http10-keepalive"] = Kestrel10,
        ["07-http10-stream"] = Kestrel10,
        ["08-kill9-runner-v1-sse-midstream"] = Ended,
        ["08-kill9-server-midstream"] = Ended,
        ["08-kill9-server-v1-sse-midstream"] = Ended,
        ["08-sigterm-server-midstream"] = Ended,
        ["14-pull-killed-midway-A"] = "ended with an error: ManagementTests.Pull_OnlyInstanceDies_EndsWithError",
        ["08-kill9-server-nonstream"] = "another instance answers: FailoverTests.Chat_InstanceFailsBeforeFirstByte_FailsOver",
        ["08-sigstop-runner-chat-10s"] = "another instance answers: FailoverTests.Chat_FrozenRunner_TimesOutAndFailsOver",
        ["04-cors-origin-ok"] = "a page may read the bridge's own headers as well: AccessGuardTests.Invoke_LocalOriginOverLoopback_AllowedWithCorsHeaders",
        ["04-err-bad-host-header"] = Words,
        ["04-err-bad-origin"] = Words,
        ["08-sigstop-server-version-3s"] = "the bridge answers /api/version itself",
    };

    private const string Kestrel10 = "Kestrel answers HTTP/1.0 with a status line of 1.1, as RFC 9110 section 6.2 allows";
    private const string Words = "refused in words: HeaderCrossingTests.Send_ForeignHostOrOrigin_403WithReasonLoggedAndCounted";
    private const string Ended = "ended with an error where a server breaks off: StreamingTests.Stream_InterruptedAfterThreeTokens_ErrorInClientsProtocol";

    public static TheoryData<string> Replayed() =>
        [.. Recording.Names().Where(n => !RecordingTable.NotReplayed.ContainsKey(n) && !Differs.ContainsKey(n))];

    [Theory]
    [MemberData(nameof(Replayed))]
    public async Task Replay_RecordingThroughTheBridge_SameResponse(string name)
    {
        var recording = Recording.Load(name);
        var scenario = RecordingScenario.For(recording);
        await using var server = await TestServer.StartAsync(scenario.Options with { Store = scenario.Store ?? RecordedFixture.Store() });
        await using var company = await Company.GatherAsync(scenario, server, recording);
        await using var bridge = await TestBridge.StartAsync(
            [server], ("Bridge:Instances:0:Slots", "64"), ("Bridge:Continuation:Enabled", "false"),
            // They pull from a registry on the same machine.
            ("Bridge:Management:Registries:0", "*"), ("Bridge:Management:AllowInsecure", "true"));
        if (scenario.Fault is { } fault)
            server.Faults.Add(fault);

        using var connection = await RawConnection.OpenAsync(bridge.Url);
        var command = scenario.Command(recording.Command);
        await connection.SendAsync(command.ToBytes(bridge.Url.Port));
        if (command.Upload is { } upload)
            await connection.SendAsync(System.Text.Encoding.UTF8.GetBytes(upload));
        var actual = await connection.ReceiveAsync(command.Method == "HEAD");

        Assert.NotNull(actual);
        RecordingComparison.Same(recording, Own(recording.Response!), Own(actual));
    }

    [Fact]
    public void Differences_EveryEntry_NamesRecordingAndReason()
    {
        Assert.Empty(Differs.Keys.Except(Recording.Names()));
        Assert.All(Differs.Values, Assert.NotEmpty);
    }

    /// <summary>Removes headers of a single connection and headers that the bridge adds.</summary>
    private static RawResponse Own(RawResponse response) =>
        response with { Headers = response.Headers.Where(h => h.Key is not ("X-Bridge-Instance" or "X-Accel-Buffering" or "X-Request-Id" or "Request-Id" or "Access-Control-Expose-Headers" or "Connection")).ToDictionary() };
}
