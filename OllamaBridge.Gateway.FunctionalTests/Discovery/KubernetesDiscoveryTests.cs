using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Testing;
using static OllamaBridge.Testing.Kubernetes.Slices;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>Instances from EndpointSlices of an API server on a real socket.</summary>
public sealed class KubernetesDiscoveryTests
{
    private const string Forbidden = "endpointslices";

    [Fact]
    public async Task List_Service_OnlyItsPods()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 11434, Pod("ollama-1", "10.0.0.2"), Pod("ollama-0", "10.0.0.1")));
        api.Put(Collection(), Slice("b", "other", 11434, Pod("other-0", "10.0.0.3")));
        api.Put(Collection("elsewhere"), Slice("c", "ollama", 11434, Pod("ollama-0", "10.0.0.4")));
        await using var world = World(api);

        var list = await world.StartAsync();

        Assert.Equal(
            [("ollama-0", "http://10.0.0.1:11434/", "uid-ollama-0"), ("ollama-1", "http://10.0.0.2:11434/", "uid-ollama-1")],
            list.Select(d => (d.Name, d.Url.AbsoluteUri, d.Incarnation!)));
        Assert.StartsWith($"GET {Collection()}?labelSelector=kubernetes.io%2Fservice-name%3Dollama", api.Requests.First(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_OtherNamespaceInName_QueriesThatNamespace()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection("elsewhere"), Slice("c", "ollama", 11434, Pod("ollama-0", "10.0.0.4")));
        await using var world = World(api, ("Bridge:Instances:0:Url", "http://ollama.elsewhere.svc.cluster.local:80"));

        Assert.Equal("http://10.0.0.4:11434/", Assert.Single(await world.StartAsync()).Url.AbsoluteUri);
    }

    [Fact]
    public async Task Watch_PodsStartTerminateAndDisappear_ListUpdated()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        await using var world = World(api);
        await world.StartAsync();

        api.Put(Collection(), Slice("b", "ollama", 1, Pod("p1", "10.0.0.2"), Pod("p2", "10.0.0.3", ready: false)));
        await world.UntilAsync("p0", "p1");
        api.Put(Collection(), Slice("b", "ollama", 1, Pod("p1", "10.0.0.2", leaving: true), Pod("p2", "10.0.0.3")));
        await world.UntilAsync("p0", "(p1)", "p2");
        api.Delete(Collection(), "b");
        await world.UntilAsync("p0");
        api.Delete(Collection(), "a");
        await world.UntilAsync();
        Assert.Empty(world.Source.Problems);
    }

    [Fact]
    public async Task Watch_TimesOut_ContinuesFromNewestVersionWithoutList()
    {
        await using var api = await FakeApiServer.StartAsync();
        await using var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        await world.UntilAsync("p0");
        // Only the bookmark shows that the Service's objects have not changed up to this version.
        api.SendBookmarks();
        api.SendBookmarks();

        await Eventually.BecomesAsync(
            async () =>
            {
                api.EndWatches();
                await WatchedAsync(api, 1);
                return api.Requests.Last().Contains("resourceVersion=103", StringComparison.Ordinal);
            },
            SourceFixture.Patience);
        api.Put(Collection(), Slice("b", "ollama", 1, Pod("p1", "10.0.0.2")));
        await world.UntilAsync("p0", "p1");

        Assert.Single(api.Requests, r => !r.Contains("watch=true", StringComparison.Ordinal));
        Assert.All(api.Requests.Skip(1), r => Assert.Contains("allowWatchBookmarks=true", r, StringComparison.Ordinal));
        Assert.All(api.Requests.Skip(1), r => Assert.Contains("timeoutSeconds=300", r, StringComparison.Ordinal));
        Assert.Equal("", string.Join('\n', world.Logs.Lines.Where(l => l.StartsWith("Warning", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Watch_EndsSilently_NoWarning()
    {
        await using var api = await FakeApiServer.StartAsync();
        await using var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);

        api.EndWatches();
        await Eventually.BecomesAsync(() => api.Requests.Count(r => r.Contains("watch=true", StringComparison.Ordinal)) > 1, SourceFixture.Patience);

        Assert.Empty(world.Source.Problems);
        Assert.Equal("", string.Join('\n', world.Logs.Lines.Where(l => l.StartsWith("Warning", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Watch_VersionTooOld_ListsAgain(bool whileOpen)
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        api.Put(Collection(), Slice("b", "ollama", 1, Pod("p1", "10.0.0.2")));
        await using var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);

        // No watch reports the changes from here on.
        api.IsSilent = true;
        api.EndWatches();
        await WatchedAsync(api, 0);
        api.Delete(Collection(), "b");
        if (!whileOpen)
            api.ForgetHistory();
        api.IsSilent = false;
        await Eventually.BecomesAsync(() => world.Now.Count == 1 || api.Watches == 1 || world.Unread > 0, SourceFixture.Patience);
        if (whileOpen)
            api.ForgetHistory();
        await world.UntilAsync("p0");

        api.Put(Collection(), Slice("c", "ollama", 1, Pod("p2", "10.0.0.3")));
        await world.UntilAsync("p0", "p2");

        // This is normal operation, so it must not cause a warning.
        await Eventually.BecomesAsync(() => world.Logs.Lines.Any(l => l.StartsWith("Debug 1654", StringComparison.Ordinal)), SourceFixture.Patience);
        Assert.DoesNotContain(world.Logs.Lines, l => l.StartsWith("Warning", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Watch_ConnectionLost_ListStaysThenCatchesUp()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1"), Pod("p1", "10.0.0.2")));
        await using var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);

        api.IsAway = true;
        api.CutWatches();
        await Eventually.BecomesAsync(() => world.Source.Problems.Count == 1, SourceFixture.Patience);
        var asked = api.Requests.Count;
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p1", "10.0.0.2")));
        await Eventually.BecomesAsync(() => api.Requests.Count >= asked + 2, SourceFixture.Patience);
        Assert.Equal(0, world.Unread);
        Assert.Contains("ollama.ai", Assert.Single(world.Source.Problems), StringComparison.Ordinal);

        api.IsAway = false;
        await world.UntilAsync("p1");
        Assert.Empty(world.Source.Problems);
        Assert.Contains(world.Logs.Lines, l => l.StartsWith("Information 1653", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Watch_ServerAwayForLong_BacksOff()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.IsAway = true;
        var time = new ObservedTime();
        await using var world = World(api, time, ("Bridge:Kubernetes:RetryInterval", "00:00:00.200"));
        var starting = world.StartAsync();

        foreach (var (failures, milliseconds) in new[] { (1, 200), (2, 400), (3, 800), (4, 1600) })
        {
            var delay = TimeSpan.FromMilliseconds(milliseconds);
            await time.TimersBecomeAsync(timers => timers.Contains(delay));
            Assert.Equal(failures, api.Requests.Count);
            time.Advance(delay);
        }

        await starting.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);
    }

    [Theory]
    // The responses of a real API server: 403 after the RoleBinding was removed, 401 after the token expired.
    [InlineData(HttpStatusCode.Forbidden, "403: ", Forbidden)]
    [InlineData(HttpStatusCode.Unauthorized, "401: ", "token")]
    public async Task List_NotAllowed_EmptyAndReportsMissingPermission(HttpStatusCode status, string code, string missing)
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        api.Refuses = status;
        await using var world = World(api);

        Assert.Empty(await world.StartAsync());

        var problem = Assert.Single(world.Source.Problems);
        Assert.Contains(code, problem, StringComparison.Ordinal);
        Assert.Contains(missing, problem, StringComparison.Ordinal);
        Assert.Equal(missing == Forbidden, problem.Contains(Forbidden, StringComparison.Ordinal));
        Assert.DoesNotContain(world.Logs.Lines, l => l.Contains("secret-token", StringComparison.Ordinal));
        api.Refuses = null;
        await world.UntilAsync("p0");
    }

    [Theory]
    [InlineData("silent")]
    [InlineData("closed")]
    public async Task List_ServerUnreachableAtStart_EmptyListInTime(string how)
    {
        await using var api = await FakeApiServer.StartAsync();
        api.IsSilent = true;
        if (how == "closed")
            await FakeApiServer.WriteKubeConfigAsync(api.KubeConfig, new Uri("http://127.0.0.1:1"));
        await using var world = World(api, ("Bridge:Kubernetes:Timeout", "00:00:00.300"));

        Assert.Empty(await world.StartAsync().WaitAsync(SourceFixture.Patience, TestContext.Current.CancellationToken));

        Assert.Single(world.Source.Problems);
        Assert.Contains(world.Logs.Lines, l => l.StartsWith("Warning 1652", StringComparison.Ordinal));
        if (how == "closed")
            return;
        api.IsSilent = false;
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        await world.UntilAsync("p0");
    }

    [Fact]
    public async Task Change_EntryRemoved_WatchEnds()
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Put(Collection(), Slice("a", "ollama", 1, Pod("p0", "10.0.0.1")));
        await using var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);

        world.Configuration.Change(c => c["Bridge:Instances:0:Discovery"] = "None");
        await world.UntilAsync("hot");
        await WatchedAsync(api, 0);
    }

    [Fact]
    public async Task Dispose_WatchEnds()
    {
        await using var api = await FakeApiServer.StartAsync();
        var world = World(api);
        await world.StartAsync();
        await WatchedAsync(api, 1);
        await world.DisposeAsync();
        await WatchedAsync(api, 0);
    }

    [Fact]
    public async Task List_NeitherFileNorServiceAccount_ReportsProblem()
    {
        await using var world = new SourceFixture(("Bridge:Instances:0:Url", "http://ollama"), ("Bridge:Instances:0:Discovery", "Kubernetes"));
        var error = await Assert.ThrowsAsync<InvalidOperationException>(world.StartAsync);
        Assert.Contains("Bridge:Kubernetes:KubeConfig", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_InvalidFile_ErrorWithoutContent()
    {
        var path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, "users: [ secret-token", TestContext.Current.CancellationToken);
        using var connection = new KubernetesConnection(Options.Create(new KubernetesOptions { KubeConfig = path }));
        var error = Assert.Throws<InvalidOperationException>(() => connection.Client);
        File.Delete(path);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/nowhere/config", null, "KubeConfig")]
    [InlineData(null, "prod", "Context")]
    [InlineData(null, null, null)]
    public void Settings_Connection_Validated(string? file, string? context, string? mistake)
    {
        var result = new KubeConfigValidator().Validate(null, new KubernetesOptions { KubeConfig = file, Context = context });
        Assert.StartsWith(mistake is null ? "" : $"Bridge:Kubernetes:{mistake}:", result.FailureMessage ?? "", StringComparison.Ordinal);
        Assert.Equal(mistake is not null, result.Failed);
    }

    private static Task WatchedAsync(FakeApiServer api, int watches) => Eventually.BecomesAsync(() => api.Watches == watches, SourceFixture.Patience);

    private static SourceFixture World(FakeApiServer api, params (string Key, string Value)[] more) => World(api, TimeProvider.System, more);

    private static SourceFixture World(FakeApiServer api, TimeProvider time, params (string Key, string Value)[] more) => new(
        time,
        [
            ("Bridge:Kubernetes:KubeConfig", api.KubeConfig), ("Bridge:Kubernetes:RetryInterval", "00:00:00.050"), ("Bridge:Kubernetes:Timeout", "00:00:30"),
            ("Bridge:Instances:0:Url", "http://ollama:80"), ("Bridge:Instances:0:Name", "hot"), ("Bridge:Instances:0:Discovery", "Kubernetes"), .. more,
        ]);
}
