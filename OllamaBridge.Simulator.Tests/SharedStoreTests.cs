using System.Net;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Several servers with one model folder (recordings 13-*, 14-*).</summary>
public class SharedStoreTests
{
    [Fact]
    public async Task Create_OnOneServer_VisibleOnOther()
    {
        var store = new ModelStore([SimulatedModel.Named("base")]);
        await using var a = await TestServer.StartAsync(SimulatorOptions.Instant with { Store = store });
        await using var b = await TestServer.StartAsync(SimulatorOptions.Instant with { Store = store });
        using var onA = new SimulatorClient(a);
        using var onB = new SimulatorClient(b);
        var lines = await onA.LinesAsync("/api/create", """{"model":"made","from":"base","system":"You are one."}""");
        Assert.Equal(["using existing", "using existing", "creating new", "using existing", "writing manifest", "success"],
            lines.Select(l => l.Split('"')[3].Split(" layer")[0]));
        Assert.Equal("You are one.", (await onB.JsonAsync("/api/show", """{"model":"made"}""")).GetProperty("system").GetString());
        Assert.Equal(1, store.MaxConcurrentWriters);
    }

    [Fact]
    public async Task Delete_WhileOtherStreams_StreamEndsAndNextIs404()
    {
        var store = new ModelStore([SimulatedModel.Named("doomed") with { AnswerTokens = 50 }]);
        await using var a = await TestServer.StartAsync(SimulatorOptions.Instant with { Store = store });
        a.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        using var onA = new SimulatorClient(a);
        var stream = onA.LinesAsync("/api/generate", """{"model":"doomed","prompt":"x"}""");
        await Poll.UntilAsync(() => a.Statistics.ActiveGenerations == 1);
        Assert.True(store.Remove("doomed"));
        a.Faults.Clear();
        Assert.Equal(51, (await stream).Length);
        Assert.Equal(HttpStatusCode.NotFound, (await onA.PostAsync("/api/generate", """{"model":"doomed","prompt":"x"}""")).Status);
        Assert.Equal(["doomed:latest"], await onA.LoadedAsync());
    }

    [Fact]
    public async Task Pull_TwiceOnOneServer_BothSucceedTogether()
    {
        var time = new FakeTimeProvider();
        var options = SimulatorOptions.Instant with
        {
            Store = new ModelStore([]),
            PullBytesPerSecond = 1_000_000_000,
            RemoteModels = [SimulatedModel.Named("far")],
            TimeProvider = time,
        };
        await using var server = await TestServer.StartAsync(options);
        using var client = new SimulatorClient(server);
        var both = Task.WhenAll(client.LinesAsync("/api/pull", """{"model":"far"}"""), client.LinesAsync("/api/pull", """{"model":"far"}"""));
        await Poll.UntilAsync(() => server.Store.MaxConcurrentWriters == 2);
        await Poll.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return both.IsCompleted;
        });
        var pulls = await both;
        Assert.All(pulls, p => Assert.Equal("""{"status":"success"}""", p[^1]));
        Assert.NotNull(server.Store.Find("far"));
        Assert.Equal(2, server.Store.MaxConcurrentWriters);
    }
}
