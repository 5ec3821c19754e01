using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>The simulator's response equals the real server's for every recording.</summary>
public class RecordingContractTests
{
    public static TheoryData<string> Replayed() => [.. Recording.Names().Where(n => !RecordingTable.NotReplayed.ContainsKey(n))];

    [Fact]
    public void Recordings_All_ReplayedOrListed()
    {
        Assert.NotEmpty(Recording.Names());
        Assert.Empty(RecordingTable.NotReplayed.Keys.Except(Recording.Names()));
        Assert.All(RecordingTable.NotReplayed.Values, reason => Assert.NotEmpty(reason));
    }

    [Theory]
    [MemberData(nameof(Replayed))]
    public async Task Replay_Recording_SameResponse(string name)
    {
        var recording = Recording.Load(name);
        var scenario = RecordingScenario.For(recording);
        await using var server = await TestServer.StartAsync(scenario.Options with { Store = scenario.Store ?? RecordedFixture.Store() });
        await using var company = await Company.GatherAsync(scenario, server, recording);
        if (scenario.Fault is { } fault)
            server.Faults.Add(fault);
        using var connection = await RawConnection.OpenAsync(server.Url);
        if (scenario.KillAfterLines is { } lines)
            connection.OnLines = seen => seen > lines ? server.KillAsync() : Task.CompletedTask;
        var command = scenario.Command(recording.Command);
        await connection.SendAsync(name == "07-h2c-prior-knowledge" ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray() : command.ToBytes(server.Url.Port));
        if (recording.Exit == 28)
        {
            await AssertSilenceAsync(server, connection, command.Path);
            return;
        }
        if (command.Upload is { } upload && !recording.Response!.Headers.ContainsKey("Connection"))
            await connection.SendAsync(System.Text.Encoding.UTF8.GetBytes(upload));
        var actual = await connection.ReceiveAsync(command.Method == "HEAD");
        if (recording.Response is null)
            Assert.Null(actual);
        else
            RecordingComparison.Same(recording, actual!);
    }

    [Fact]
    public async Task Connection_TwoRequests_BothAnswered()
    {
        await using var server = await TestServer.StartAsync(RecordedFixture.Options with { Store = RecordedFixture.Store() });
        using var connection = await RawConnection.OpenAsync(server.Url);
        await connection.SendAsync(CurlCommand.Parse("$ curl 127.0.0.1:1/api/version").ToBytes(server.Url.Port));
        var first = await connection.ReceiveAsync();
        await connection.SendAsync(CurlCommand.Parse("$ curl 127.0.0.1:1/api/tags").ToBytes(server.Url.Port));
        var second = await connection.ReceiveAsync();
        Assert.Equal("""{"version":"0.32.15"}""", first!.Body);
        Assert.True(second!.IsChunked);
    }

    /// <summary>Asserts that the server has the request and serves other requests, but sends no byte of this response.</summary>
    private static async Task AssertSilenceAsync(SimulatedServer server, RawConnection connection, string path)
    {
        await Poll.UntilAsync(() => server.Statistics.Seen.Any(r => r.Path == path));
        using var other = await RawConnection.OpenAsync(server.Url);
        await other.SendAsync(CurlCommand.Parse("$ curl 127.0.0.1:1/api/ps").ToBytes(server.Url.Port));
        Assert.Equal("HTTP/1.1 200 OK", (await other.ReceiveAsync())!.StatusLine);
        Assert.False(connection.HasBytes);
    }
}
