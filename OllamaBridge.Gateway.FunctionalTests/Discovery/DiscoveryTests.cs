using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Kubernetes;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>Instances appear and disappear under load, through DNS or the Kubernetes API, and no request fails.</summary>
[Collection(nameof(Alone))]
public sealed class DiscoveryTests
{
    private const string Host = "ollama.ai.svc.cluster.local";
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    private static readonly string[] Names = ["ollama-0", "ollama-1", "ollama-2", "ollama-3", "ollama-4"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Srv")]
    [InlineData("Kubernetes")]
    public async Task Load_ScaledUpAndDown_NoRequestFailsOrMoves(string way)
    {
        await using var fleet = await StartFleetAsync(5);
        await using var cluster = await Cluster.StartAsync(way, fleet);
        await cluster.ScaleAsync(3);
        await using var bridge = await cluster.StartBridgeAsync();
        // More requests than the slots of three instances: some wait, and a new instance gets work immediately.
        await using var load = new StreamLoad(bridge, clients: 20);
        await load.UntilAnsweredAsync(3, Names[..3]);
        Assert.Equal(0, load.AnswersOf("ollama-3"));

        await cluster.ScaleAsync(5);
        await load.UntilAnsweredAsync(3, Names);

        await cluster.ScaleAsync(2);
        await bridge.UntilAsync(s => s.Instances.Count(i => i.IsUsable) == 2, "two are left for what is new");
        var begun = fleet.Servers.Select(s => s.Statistics.Requests).ToArray();
        // Leaving instances finish their running requests within the pod's grace period.
        var empty = 0;
        await Eventually.BecomesAsync(
            () =>
            {
                // Repeated checks, because a request that holds a slot may not have arrived yet.
                var isEmpty = fleet.Servers.Skip(2).All(s => s.Statistics.ConcurrentRequests == 0)
                    && bridge.Fleet.Current.Instances.All(i => i.IsUsable || i.Instance.SlotsUsed == 0);
                return (empty = isEmpty ? empty + 1 : 0) > 20;
            },
            Patience);
        foreach (var server in fleet.Servers.Skip(2))
            await server.KillAsync();
        await cluster.ForgetTheDeadAsync();
        await load.UntilAnsweredAsync(5, Names[..2]);
        await bridge.UntilAsync(s => s.Instances.Length == 2, "the other instances are removed");
        await load.StopAsync();

        Assert.Empty(load.Failures);
        // At most as many requests as slots: they held a slot before the change but had not been sent.
        Assert.All(Enumerable.Range(2, 3), i => Assert.InRange(fleet[i].Statistics.Requests - begun[i], 0, 4));
        // No request was retried or resumed.
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.StartsWith("Warning 12", StringComparison.Ordinal));
        Assert.Equal(load.Answers, fleet.Sum(s => s.Requests));
    }

    [Theory]
    [InlineData("Srv")]
    [InlineData("Kubernetes")]
    public async Task Drain_PreStopHookAfterRemovalFromDiscovery_StreamsMovedAndNextPodUsed(string way)
    {
        await using var fleet = await StartFleetAsync(3, TimeSpan.FromMilliseconds(40));
        fleet.Store.Remove(TestFleet.Model);
        fleet.Store.Add(TestFleet.Plain(TestFleet.Model) with { AnswerTokens = 120 });
        await using var cluster = await Cluster.StartAsync(way, fleet);
        await cluster.ScaleAsync(2);
        await using var bridge = await cluster.StartBridgeAsync();
        // Both instances have the model in memory, so both are used.
        foreach (var server in fleet.Servers.Take(2))
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), new { model = TestFleet.Model, messages = Array.Empty<object>() }, Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in both memories");
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => bridge.OpenAsync("/api/chat", Ask.Chat(stream: true, tokens: 120, text: $"{n}"), Token)));
        Assert.Contains(streams, s => s.Headers.GetValues("X-Bridge-Instance").Single() == "ollama-1");

        // The pod disappears from discovery before its preStop hook has called the bridge.
        await cluster.ScaleAsync(1);
        await bridge.UntilAsync(s => s.Instances.Any(i => i.IsLeaving), "it leaves");
        using var hook = await bridge.Client.PostAsync("/bridge/instances/ollama-1/drain?deadline=1&wait=true", null, Token);
        Assert.Equal(HttpStatusCode.OK, hook.StatusCode);
        Assert.Equal(0, JsonNode.Parse(await hook.Content.ReadAsStringAsync(Token))!["running"]!.GetValue<int>());
        await Eventually.BecomesAsync(() => fleet[1].Statistics.ConcurrentRequests == 0, Patience);
        await fleet[1].KillAsync();
        foreach (var stream in streams)
            using (stream)
                Assert.Contains("\"done\":true", await stream.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);

        // The StatefulSet's next pod has the same name and another address.
        await cluster.ReplaceAsync(1, fleet[2]);
        await bridge.UntilAsync(
            s => s.Instances.Any(i => i.Instance.Name == "ollama-1" && i.Instance.Url == fleet[2].Url && i.IsUsable), "the next pod is used without undrain");
        await bridge.UntilAsync(s => s.Instances.Length == 2, "the ended pods are removed");
    }

    [Fact]
    public async Task Start_KubernetesApiUnavailable_NotReadyWithReasonThenServes()
    {
        await using var fleet = await StartFleetAsync(1);
        await using var cluster = await Cluster.StartAsync("Kubernetes", fleet);
        await cluster.ScaleAsync(1);
        cluster.Api.IsAway = true;
        await using var bridge = await cluster.StartBridgeAsync(until: 0);

        using var health = await bridge.Client.GetAsync("/health", Token);
        var text = await health.Content.ReadAsStringAsync(Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        Assert.Contains("no instance was found; cannot read the endpoints of ollama.ai from Kubernetes", text, StringComparison.Ordinal);
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Warning 1656", StringComparison.Ordinal));

        cluster.Api.IsAway = false;
        await bridge.UntilAsync(s => s.Instances.Any(i => i.IsUsable), "the API is back");
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal("ollama-0", chat.Headers.GetValues("X-Bridge-Instance").Single());

        // While the API is away, the fleet stays unchanged, and health reports that it may be outdated.
        cluster.Api.IsAway = true;
        cluster.Api.CutWatches();
        await Eventually.BecomesAsync(async () => (await bridge.Client.GetStringAsync("/health", Token)).Contains("ollama.ai", StringComparison.Ordinal), Patience);
        using var again = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    private static Task<TestFleet> StartFleetAsync(int count, TimeSpan? pace = null) => TestFleet.StartAsync(
        count, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = pace ?? TimeSpan.FromMilliseconds(10) });

    /// <summary>The servers as pods <c>ollama-0</c> … of a StatefulSet, published through DNS or the Kubernetes API.</summary>
    private sealed class Cluster : IAsyncDisposable
    {
        private readonly DnsServer? _dns;
        private readonly FakeApiServer? _api;
        private readonly SimulatedServer[] _pods;
        private readonly string[] _uids;
        private int _count;

        private Cluster(DnsServer? dns, FakeApiServer? api, TestFleet fleet)
        {
            (_dns, _api, _pods) = (dns, api, [.. fleet.Servers]);
            _uids = [.. _pods.Select((_, i) => $"uid-{i}")];
            for (var i = 0; dns is not null && i < _pods.Length; i++)
                dns.Addresses($"ollama-{i}.{Host}", "127.0.0.1");
        }

        public FakeApiServer Api => _api!;

        public static async Task<Cluster> StartAsync(string way, TestFleet fleet) =>
            way == "Srv" ? new Cluster(new DnsServer(), null, fleet) : new Cluster(null, await FakeApiServer.StartAsync(), fleet);

        public async Task<TestBridge> StartBridgeAsync(int? until = null)
        {
            (string, string)[] common = [("Bridge:Instances:0:Name", "hot"), ("Bridge:Instances:0:Slots", "4"), ("Bridge:DiscoveryInterval", "00:00:00.2")];
            (string, string)[] own = _dns is not null
                ? [("Bridge:Instances:0:Url", $"http://{Host}:11434"), ("Bridge:Instances:0:Discovery", "Srv"), ("Bridge:Dns:Servers", _dns.EndPoint.ToString())]
                : [("Bridge:Instances:0:Url", "http://ollama:11434"), ("Bridge:Instances:0:Discovery", "Kubernetes"),
                    ("Bridge:Kubernetes:KubeConfig", _api!.KubeConfig), ("Bridge:Kubernetes:RetryInterval", "00:00:00.100")];
            var bridge = await TestBridge.StartAsync([], [.. common, .. own]);
            await bridge.UntilAsync(s => s.Instances.Count(i => i.IsUsable) == (until ?? _count), "the pods are found");
            return bridge;
        }

        /// <summary>Sets the number of ready pods. Removed pods terminate but still serve their running requests.</summary>
        public Task ScaleAsync(int count)
        {
            var before = _count;
            _count = count;
            for (var i = 0; _api is not null && i < Math.Max(before, count); i++)
                _api.Put(Slices.Collection(), Slices.Alone("ollama", $"ollama-{i}", _pods[i].Url, leaving: i < count ? null : true, uid: _uids[i]));
            Tell();
            return Task.CompletedTask;
        }

        /// <summary>Replaces a pod by a ready one of the same name at another address.</summary>
        public Task ReplaceAsync(int index, SimulatedServer server)
        {
            (_pods[index], _uids[index]) = (server, $"uid-{index}-next");
            return ScaleAsync(Math.Max(_count, index + 1));
        }

        public Task ForgetTheDeadAsync()
        {
            for (var i = _count; _api is not null && i < _pods.Length; i++)
                _api.Delete(Slices.Collection(), $"ollama-ollama-{i}");
            return Task.CompletedTask;
        }

        public async ValueTask DisposeAsync()
        {
            if (_dns is not null)
                await _dns.DisposeAsync();
            if (_api is not null)
                await _api.DisposeAsync();
        }

        private void Tell() => _dns?.Service(
            $"_http._tcp.{Host}", [.. Enumerable.Range(0, _count).Select(i => ($"ollama-{i}.{Host}", _pods[i].Url.Port))]);
    }
}
