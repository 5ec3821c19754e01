using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Every fault has its documented effect, exactly as many times as configured.</summary>
public class FaultTests
{
    private const string Chat = """{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"num_predict":6}}""";
    private static readonly SimulatedModel Model = SimulatedModel.Named("m");

    [Fact]
    public async Task Refuse_UntilCleared_PortRefuses()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.Refuse });
        var refused = await Assert.ThrowsAsync<SocketException>(() => RawConnection.OpenAsync(server.Url));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        server.Faults.Clear();
        using var client = new SimulatorClient(server);
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/api/chat", Chat)).Status);
    }

    [Fact]
    public async Task ResetBeforeHeaders_Once_NextRequestSucceeds()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.ResetBeforeHeaders, Times = 1 });
        using var client = new SimulatorClient(server);
        await Assert.ThrowsAsync<HttpRequestException>(() => client.PostAsync("/api/chat", Chat));
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/api/chat", Chat)).Status);
        Assert.Empty(server.Faults.Faults);
    }

    [Theory]
    [InlineData(503, "/api/chat", "\"error\":\"server busy")]
    [InlineData(500, "/v1/chat/completions", "\"type\":\"api_error\"")]
    [InlineData(503, "/v1/messages", "\"type\":\"overloaded_error\"")]
    public async Task Status_AnyProtocol_ErrorInProtocolFormat(int status, string path, string expected)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, Model = "m:latest" });
        using var client = new SimulatorClient(server);
        var (code, body) = await client.PostAsync(path, Chat);
        Assert.Equal(status, (int)code);
        Assert.Contains(expected, body);
        Assert.Equal(0, server.Statistics.Loads);
    }

    [Theory]
    [InlineData(FaultKind.CutAfterTokens, true)]
    [InlineData(FaultKind.Die, false)]
    public async Task Cut_AfterThreeTokens_ThreeLinesThenNothing(FaultKind kind, bool alive)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = kind, AfterTokens = 3 });
        using var connection = await RawConnection.OpenAsync(server.Url);
        await connection.SendAsync(CurlCommand.Parse($"$ curl 127.0.0.1:1/api/chat -d '{Chat}'").ToBytes(server.Url.Port));
        var response = await connection.ReceiveAsync();
        Assert.False(response!.Complete);
        Assert.Equal(3, response.Body.Count(c => c == '\n'));
        await Poll.UntilAsync(() => server.IsAlive == alive);
    }

    [Fact]
    public async Task ErrorLine_Native_InBandErrorAndModelLoadsAgain()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 2, Times = 1 });
        using var client = new SimulatorClient(server);
        var lines = await client.LinesAsync("/api/chat", Chat);
        Assert.Equal(3, lines.Length);
        Assert.Equal("""{"error":"an error was encountered while running the model: unexpected EOF"}""", lines[2]);
        Assert.Equal(["m:latest"], await client.LoadedAsync());
        await client.PostAsync("/api/chat", Chat);
        Assert.Equal(2, server.Statistics.Loads);
    }

    [Fact]
    public async Task MalformedLine_Stream_ContinuesAfterIt()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.MalformedLine, AfterTokens = 1 });
        using var client = new SimulatorClient(server);
        var lines = await client.LinesAsync("/api/chat", Chat);
        Assert.Equal(8, lines.Length);
        Assert.Equal("{\"model\":\"garbled", lines[1]);
        Assert.Contains("\"done\":true", lines[^1]);
    }

    [Theory]
    [InlineData(FaultKind.SlowFirstToken, 0)]
    [InlineData(FaultKind.Stall, 2)]
    public async Task Delay_OnFakeClock_WaitsForDelay(FaultKind kind, int linesBefore)
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant with { TimeProvider = time }, Model);
        server.Faults.Add(new Fault { Kind = kind, AfterTokens = linesBefore, Delay = TimeSpan.FromSeconds(5) });
        var lines = 0;
        using var connection = await RawConnection.OpenAsync(server.Url);
        connection.OnLines = seen => Task.FromResult(Volatile.Read(ref lines) == seen ? seen : Interlocked.Exchange(ref lines, seen));
        await connection.SendAsync(CurlCommand.Parse($"$ curl 127.0.0.1:1/api/chat -d '{Chat}'").ToBytes(server.Url.Port));
        var receiving = connection.ReceiveAsync();
        await Poll.UntilAsync(() => server.Statistics.ActiveGenerations == 1 && (linesBefore == 0) == (Volatile.Read(ref lines) == 0));
        Assert.False(receiving.IsCompleted);
        await Poll.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return receiving.IsCompleted;
        });
        Assert.Equal(7, (await receiving)!.Body.Count(c => c == '\n'));
    }

    [Fact]
    public async Task Frozen_UntilCleared_GenerationStopsAndHealthResponds()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        server.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        using var client = new SimulatorClient(server);
        var frozen = client.PostAsync("/api/chat", Chat);
        await Poll.UntilAsync(() => server.Statistics.ActiveGenerations == 1);
        Assert.Equal(["m:latest"], await client.LoadedAsync());
        Assert.False(frozen.IsCompleted);
        server.Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await frozen).Status);
    }

    [Fact]
    public async Task Kill_ThenRestart_SamePortEmptyMemory()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        var url = server.Url;
        using var client = new SimulatorClient(server);
        await client.PostAsync("/api/chat", Chat);
        await server.KillAsync();
        await Assert.ThrowsAsync<SocketException>(() => RawConnection.OpenAsync(url));
        await server.RestartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(url, server.Url);
        Assert.Empty(await client.LoadedAsync());
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/api/chat", Chat)).Status);
    }

    [Fact]
    public async Task SideChannel_FaultAndStats_ReturnedAsJson()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        using var client = new SimulatorClient(server);
        var (status, _) = await client.PostAsync("/__sim/faults", """{"kind":"stall","path":"/api/chat","afterTokens":5,"delay":"00:00:02"}""");
        Assert.Equal(HttpStatusCode.NoContent, status);
        Assert.Equal(new Fault { Kind = FaultKind.Stall, Path = "/api/chat", AfterTokens = 5, Delay = TimeSpan.FromSeconds(2) }, Assert.Single(server.Faults.Faults));
        Assert.Equal(0, (await client.GetAsync("/__sim/stats")).GetProperty("requests").GetInt32());
        Assert.Equal(HttpStatusCode.BadRequest, (await client.PostAsync("/__sim/faults", """{"kind":"nonsense"}""")).Status);
    }
}
