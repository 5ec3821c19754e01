using System.Globalization;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The lifecycle hooks of Ollama's pods, run by the real bash against a real bridge.</summary>
public sealed class HooksTests : IDisposable
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    private readonly string _folder = Directory.CreateTempSubdirectory("hooks").FullName;
    private readonly string _key;
    private readonly KeyVerifier _verifier;

    public HooksTests()
    {
        (_key, _verifier) = ApiKey.Create();
        File.WriteAllText(Path.Combine(_folder, "key"), _key);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Mark => Path.Combine(_folder, "drained");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Stopping_WithStream_MovedByDeadlineThenHookEnds()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(400) });
        await using var bridge = await StartAsync(fleet);
        using var answer = await bridge.OpenAsync("/api/chat", Ask.Chat(tokens: 200), Token);
        var instance = answer.Headers.GetValues("X-Bridge-Instance").Single();

        var (code, said) = await RunAsync(bridge.Url, "stopping", instance, drainSeconds: 1);

        Assert.Equal((0, true), (code, said.Contains("is empty", StringComparison.Ordinal)));
        var view = bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == instance);
        Assert.Equal((true, 0), (view.Draining, view.Instance.SlotsUsed));
        var lines = (await answer.Content.ReadAsStringAsync(Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True((bool)JsonNode.Parse(lines[^1])!["done"]!);
        Assert.True(File.Exists(Mark));
        Assert.DoesNotContain(_key, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Started_AfterContainerRestart_Undrained()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await StartAsync(fleet);
        await RunAsync(bridge.Url, "stopping", "sim-1", drainSeconds: 1);
        Assert.True(IsDraining(bridge));

        var (code, _) = await RunAsync(bridge.Url, "started", "sim-1");

        Assert.Equal(0, code);
        Assert.False(IsDraining(bridge) || File.Exists(Mark));
    }

    [Fact]
    public async Task Started_NewPod_OperatorsDrainKept()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await StartAsync(fleet);
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/bridge/instances/sim-1/drain"))
        {
            request.Headers.Authorization = new("Bearer", _key);
            using var drained = await bridge.Client.SendAsync(request, Token);
            drained.EnsureSuccessStatusCode();
        }

        var (code, _) = await RunAsync(bridge.Url, "started", "sim-1");

        Assert.Equal((0, true), (code, IsDraining(bridge)));
    }

    [Theory]
    [InlineData("stopping", "sim-9", "does not know")]
    [InlineData("wrong key", "sim-1", "does not take the key")]
    [InlineData("no key", "sim-1", "does not take the key")]
    [InlineData("nonsense", "sim-1", "usage: hooks.sh")]
    public async Task Stopping_CannotDrain_EndsImmediatelyWithoutError(string what, string instance, string word)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet);
        if (what == "wrong key")
            await File.WriteAllTextAsync(Path.Combine(_folder, "key"), "ob-not-a-key", Token);
        else if (what == "no key")
            File.Delete(Path.Combine(_folder, "key"));

        var (code, said) = await RunAsync(bridge.Url, what == "nonsense" ? what : "stopping", instance, drainSeconds: 60);

        Assert.Equal(0, code);
        Assert.Contains(word, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_BridgeUnreachable_RetriedWithoutError()
    {
        // A port without a listener: bound, but not listening.
        using var taken = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        taken.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        var port = ((System.Net.IPEndPoint)taken.LocalEndPoint!).Port;

        var (code, said) = await RunAsync(new Uri($"http://127.0.0.1:{port}"), "stopping", "sim-1", drainSeconds: 60);

        Assert.Equal(0, code);
        Assert.Equal(3, said.Split("no drain: no answer").Length - 1);
    }

    private static bool IsDraining(TestBridge bridge) => bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == "sim-1").Draining;

    private async Task<TestBridge> StartAsync(TestFleet fleet)
    {
        var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:instances:Keys:0", _verifier.ToString()),
            ("Bridge:Tenants:instances:Scopes", "Inference, Drain"),
            // Without an operator's key, any local client would be an operator.
            ("Bridge:Tenants:operators:Keys:0", ApiKey.Create().Verifier.ToString()),
            ("Bridge:Tenants:operators:Scopes", "Admin"));
        bridge.Client.DefaultRequestHeaders.Authorization = new("Bearer", _key);
        await bridge.UntilAsync(s => s.Instances.All(i => i.CatalogKnown), "the catalogs of all instances are known");
        return bridge;
    }

    private async Task<(int Code, string Said)> RunAsync(Uri bridge, string what, string instance, int drainSeconds = 5)
    {
        // A background process of the hook keeps descriptor 5 open, so the output ends only when that process has ended, too.
        var ended = await EndedProcess.RunAsync(
            Promtool.Find("bash"),
            ["-c", "exec 5>&1 bash \"$0\" \"$1\"", RepositoryFiles.PathOf($"{Overlay.Folder}/components/instance/hooks.sh"), what],
            [
                ("BRIDGE_ADDRESS", bridge.Authority),
                ("BRIDGE_DRAIN_SECONDS", drainSeconds.ToString(CultureInfo.InvariantCulture)),
                ("BRIDGE_KEY_FILE", Path.Combine(_folder, "key")),
                ("HOOK_STATE", _folder),
                ("POD_NAME", instance),
                ("UNDRAIN_INTERVAL", "0.1"),
            ],
            within: Patience);
        return (ended.Code, ended.Said);
    }
}
