using System.Net;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Memory, eviction, <c>keep_alive</c>, slots and the queue.</summary>
public class MemoryTests
{
    private static readonly SimulatedModel Big = SimulatedModel.Named("big") with { AnswerTokens = int.MaxValue };
    private static readonly SimulatedModel Small = SimulatedModel.Named("small") with { AnswerTokens = 4 };

    private static SimulatorOptions Endless => SimulatorOptions.Instant with { DecodePerToken = TimeSpan.FromHours(1) };

    [Fact]
    public async Task Generate_SecondModelWithRoomForOne_EvictsFirst()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Big, Small);
        using var client = new SimulatorClient(server);
        await client.GenerateAsync("""{"model":"big","prompt":"x","stream":false,"options":{"num_predict":2}}""");
        await client.GenerateAsync("""{"model":"small","prompt":"x","stream":false}""");
        Assert.Equal(["small:latest"], await client.LoadedAsync());
        Assert.Equal((2, 1), (server.Statistics.Loads, server.Statistics.Evictions));
    }

    [Fact]
    public async Task Generate_MemoryTooSmallForBoth_EvictsFirst()
    {
        await using var server = await TestServer.StartAsync(
            SimulatorOptions.Instant with { MaxLoadedModels = 5, MemoryBytes = Big.SizeBytes + (Small.SizeBytes / 2) }, Big, Small);
        using var client = new SimulatorClient(server);
        await client.PostAsync("/api/generate", """{"model":"big"}""");
        await client.PostAsync("/api/generate", """{"model":"small"}""");
        Assert.Equal(["small:latest"], await client.LoadedAsync());
    }

    [Fact]
    public async Task KeepAlive_TimePasses_ModelIsUnloaded()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant with { TimeProvider = time }, Small);
        using var client = new SimulatorClient(server);
        await client.PostAsync("/api/generate", """{"model":"small","keep_alive":"10m"}""");
        time.Advance(TimeSpan.FromMinutes(9));
        await client.PostAsync("/api/generate", """{"model":"small","prompt":"x"}""");
        time.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(["small:latest"], await client.LoadedAsync());
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Empty(await client.LoadedAsync());
        Assert.Equal(0, server.Statistics.Evictions);
    }

    [Fact]
    public async Task KeepAlive_Negative_ModelStays()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant with { TimeProvider = time }, Small);
        using var client = new SimulatorClient(server);
        await client.PostAsync("/api/generate", """{"model":"small","keep_alive":-1}""");
        time.Advance(TimeSpan.FromDays(30));
        Assert.Equal(["small:latest"], await client.LoadedAsync());
    }

    [Fact]
    public async Task KeepAlive_ZeroWhileStreaming_UnloadsAfterStream()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(
            SimulatorOptions.Instant with { TimeProvider = time, ParallelSlots = 2 }, Small with { DecodePerToken = TimeSpan.FromSeconds(1) });
        using var client = new SimulatorClient(server);
        var running = client.PostAsync("/api/generate", """{"model":"small","prompt":"x"}""");
        await Poll.UntilAsync(() => server.Statistics.ActiveGenerations == 1);
        await client.PostAsync("/api/generate", """{"model":"small","keep_alive":0}""");
        Assert.Equal(["small:latest"], await client.LoadedAsync());
        await AdvanceUntilAsync(time, running);
        Assert.Empty(await client.LoadedAsync());
        Assert.Contains("\"done\":true", (await running).Body);
    }

    [Fact]
    public async Task Load_TakesTime_NoResponseBeforeEnd()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(
            SimulatorOptions.Instant with { TimeProvider = time, LoadTime = TimeSpan.FromSeconds(3) }, Small);
        using var client = new SimulatorClient(server);
        var loading = client.PostAsync("/api/generate", """{"model":"small","prompt":"x"}""");
        await Poll.UntilAsync(() => server.WaitingForLoad == 1);
        time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(loading.IsCompleted);
        await AdvanceUntilAsync(time, loading);
        Assert.Equal(HttpStatusCode.OK, (await loading).Status);
    }

    [Fact]
    public async Task Generate_OtherContextLength_LoadsAgain()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Small);
        using var client = new SimulatorClient(server);
        foreach (var context in (int[])[4096, 4096, 1024])
            await client.PostAsync("/api/generate", $$$"""{"model":"small","prompt":"x","options":{"num_ctx":{{{context}}}}}""");
        Assert.Equal(2, server.Statistics.Loads);
    }

    [Fact]
    public async Task Generate_MoreThanSlots_RestWaitsWithoutHeaders()
    {
        await using var server = await TestServer.StartAsync(Endless with { ParallelSlots = 4 }, Big);
        using var client = new SimulatorClient(server);
        using var stop = new CancellationTokenSource();
        var running = Enumerable.Range(0, 6).Select(_ => client.SendAsync("/api/generate", """{"model":"big","prompt":"x"}""", stop.Token)).ToArray();
        await Poll.UntilAsync(() => server.Statistics is { ConcurrentRequests: 6, ActiveGenerations: 4 });
        // Requests with a slot have started: their first token follows as soon as the prompt is processed.
        await Poll.UntilAsync(() => running.Count(r => r.IsCompleted) == 4);
        foreach (var begun in running.Where(r => r.IsCompleted))
            (await begun).Dispose();
        await stop.CancelAsync();
        await Poll.UntilAsync(() => server.Statistics is { ConcurrentRequests: 0, Cancelled: 6 });
        Assert.Equal((4, 6), (server.Statistics.MaxActiveGenerations, server.Statistics.MaxConcurrentRequests));
    }

    [Fact]
    public async Task Generate_QueueFull_503OnlyIfLoadIsNeeded()
    {
        await using var server = await TestServer.StartAsync(Endless with { MaxQueue = 1, ParallelSlots = 1 }, Big, Small);
        using var client = new SimulatorClient(server);
        using var stop = new CancellationTokenSource();
        List<Task> waiting = [client.SendAsync("/api/generate", """{"model":"big","prompt":"x"}""", stop.Token)];
        await Poll.UntilAsync(() => server.Statistics.ActiveGenerations == 1);
        for (var i = 1; i <= 2; i++)
        {
            waiting.Add(client.SendAsync("/api/generate", """{"model":"small","prompt":"x"}""", stop.Token));
            await Poll.UntilAsync(() => server.WaitingForLoad == i);
        }
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.PostAsync("/api/generate", """{"model":"small","prompt":"x"}""")).Status);
        var loaded = client.SendAsync("/api/generate", """{"model":"big","prompt":"x"}""", stop.Token);
        await Poll.UntilAsync(() => server.Statistics.ConcurrentRequests == 4);
        Assert.False(loaded.IsCompleted);
        await stop.CancelAsync();
    }

    private static async Task AdvanceUntilAsync(FakeTimeProvider time, Task task)
    {
        await Poll.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            return task.IsCompleted;
        });
    }
}
