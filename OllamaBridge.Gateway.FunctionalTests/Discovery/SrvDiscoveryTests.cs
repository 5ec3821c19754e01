using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>Instances from the SRV records of a headless Service, with a DNS server on a real socket.</summary>
public sealed class SrvDiscoveryTests
{
    private const string Service = "_http._tcp.ollama.ai.svc.cluster.local";
    private const string Host = "ollama.ai.svc.cluster.local";

    [Fact]
    public async Task List_ReadyPods_NamedByPodWithPortFromRecord()
    {
        await using var dns = Pods(3);
        await using var world = World(dns, $"http://{Host}");

        var list = await world.StartAsync();

        Assert.Equal(
            [("ollama-0", "http://10.0.0.10:11434/", "10.0.0.10:11434"), ("ollama-1", "http://10.0.0.11:11434/", "10.0.0.11:11434"),
                ("ollama-2", "http://10.0.0.12:11434/", "10.0.0.12:11434")],
            list.Select(d => (d.Name, d.Url.AbsoluteUri, d.Incarnation!)));
        Assert.All(list, d => Assert.Equal((4, true), (d.Slots, d.IsDiscovered)));
        // Addresses in the additional records need no query.
        Assert.All(dns.Asked, a => Assert.Equal($"udp 33 {Service}", a));
        Assert.Empty(world.Source.Problems);
    }

    [Fact]
    public async Task List_NoAdditionalRecords_QueriesAddresses()
    {
        await using var dns = Pods(2);
        dns.TellsMore = false;
        dns.Addresses($"ollama-1.{Host}", "fd00::1");
        await using var world = World(dns, $"http://{Host}");

        Assert.Equal(["http://10.0.0.10:11434/", "http://[fd00::1]:11434/"], (await world.StartAsync()).Select(d => d.Url.AbsoluteUri));
        Assert.Contains($"udp 28 ollama-1.{Host}", dns.Asked);
    }

    [Theory]
    [InlineData("http://_http._tcp.ollama.ai.svc.cluster.local:1")]
    [InlineData("http://ollama")]
    [InlineData("http://ollama.ai")]
    public async Task List_FullAndShortNames_Found(string url)
    {
        await using var dns = Pods(1);
        await using var world = World(dns, url, ("Bridge:Dns:Search", "ai.svc.cluster.local, svc.cluster.local"));

        Assert.Equal("ollama-0", Assert.Single(await world.StartAsync()).Name);
    }

    [Fact]
    public async Task List_OtherPortName_UsesItsRecord()
    {
        await using var dns = Pods(1);
        dns.Service("_api._tcp.ollama.ai.svc.cluster.local", ($"ollama-0.{Host}", 9));
        await using var world = World(dns, $"http://{Host}", ("Bridge:Instances:0:PortName", "api"));

        Assert.Equal(9, Assert.Single(await world.StartAsync()).Url.Port);
    }

    [Fact]
    public async Task List_PodsWithoutHostNames_NamedByAddress()
    {
        await using var dns = new DnsServer();
        dns.Service(Service, ($"10-0-0-5.{Host}", 80));
        dns.Addresses($"10-0-0-5.{Host}", "10.0.0.5");
        await using var world = World(dns, $"http://{Host}");

        Assert.Equal("hot-10.0.0.5", Assert.Single(await world.StartAsync()).Name);
    }

    [Fact]
    public async Task List_TruncatedResponse_QueriesOverTcp()
    {
        await using var dns = Pods(40);
        dns.Mood = DnsBehavior.Truncates;
        await using var world = World(dns, $"http://{Host}");

        Assert.Equal(40, (await world.StartAsync()).Count);
        Assert.Contains($"tcp 33 {Service}", dns.Asked);
    }

    [Fact]
    public async Task Watch_PodsChange_NewLists()
    {
        await using var dns = Pods(3);
        await using var world = World(dns, $"http://{Host}");
        await world.StartAsync();

        SetPods(dns, 5);
        await world.UntilAsync("ollama-0", "ollama-1", "ollama-2", "ollama-3", "ollama-4");
        SetPods(dns, 2);
        await world.UntilAsync("ollama-0", "ollama-1");
    }

    [Theory]
    [InlineData("name")]
    [InlineData("records")]
    public async Task Watch_NoPodReady_GroupIsEmpty(string gone)
    {
        await using var dns = Pods(2);
        await using var world = World(dns, $"http://{Host}");
        await world.StartAsync();

        // The name disappears with the last ready pod. If a pod remains that is not an instance, only the SRV records disappear.
        if (gone == "records")
            dns.Addresses(Service, "10.0.0.1");
        else
            dns.Service(Service);
        await world.UntilAsync();

        Assert.Empty(world.Source.Problems);
        SetPods(dns, 1);
        await world.UntilAsync("ollama-0");
    }

    [Theory]
    [InlineData(DnsBehavior.ServerFailure)]
    [InlineData(DnsBehavior.Refuses)]
    [InlineData(DnsBehavior.Silent)]
    public async Task Watch_DnsFails_ListStaysAndOneWarning(DnsBehavior mood)
    {
        await using var dns = Pods(2);
        await using var world = World(dns, $"http://{Host}");
        await world.StartAsync();

        dns.Mood = mood;
        SetPods(dns, 0);
        await Eventually.BecomesAsync(() => world.Source.Problems.Count == 1, SourceFixture.Patience);
        var asked = dns.Asked.Count;
        await Eventually.BecomesAsync(() => dns.Asked.Count > asked + 5, SourceFixture.Patience);
        Assert.Equal(2, world.Now.Count);
        Assert.Equal(0, world.Unread);
        Assert.Single(world.Logs.Lines, l => l.StartsWith("Warning 1650", StringComparison.Ordinal) && l.Contains(Host, StringComparison.Ordinal));

        dns.Mood = DnsBehavior.Answers;
        await world.UntilAsync();
        Assert.Single(world.Logs.Lines, l => l.StartsWith("Information 1651", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Watch_OneNameFails_NotTreatedAsEmpty()
    {
        await using var dns = Pods(2);
        await using var world = World(dns, "http://ollama", ("Bridge:Dns:Search", "ai.svc.cluster.local"));
        await world.StartAsync();

        // The literal name does not exist. The name in the cluster's domain may exist.
        dns.Failing[Service] = 0;
        await Eventually.BecomesAsync(() => world.Source.Problems.Count == 1, SourceFixture.Patience);
        Assert.Equal(0, world.Unread);
    }

    [Fact]
    public async Task Watch_OneAddressFails_ListStays()
    {
        await using var dns = Pods(2);
        dns.TellsMore = false;
        await using var world = World(dns, $"http://{Host}");
        await world.StartAsync();

        dns.Failing[$"ollama-1.{Host}"] = 0;
        await Eventually.BecomesAsync(() => world.Source.Problems.Count == 1, SourceFixture.Patience);
        Assert.Equal(0, world.Unread);
        // A record that outlives its pod's address for a moment is not an outage.
        dns.Failing.Clear();
        dns.Forget($"ollama-1.{Host}");
        await world.UntilAsync("ollama-0");
    }

    [Fact]
    public async Task List_FirstServerSilent_UsesSecond()
    {
        await using var silent = new DnsServer { Mood = DnsBehavior.Silent };
        await using var dns = Pods(1);
        await using var world = World(dns, $"http://{Host}", ("Bridge:Dns:Servers", $"{silent.EndPoint},{dns.EndPoint}"), ("Bridge:Dns:Timeout", "00:00:05"));

        Assert.Equal("ollama-0", Assert.Single(await world.StartAsync()).Name);
        Assert.NotEmpty(silent.Asked);
    }

    [Fact]
    public async Task List_NoResponseAtStart_EmptyListInTime()
    {
        await using var dns = new DnsServer { Mood = DnsBehavior.Silent };
        await using var world = World(dns, $"http://{Host}");

        Assert.Empty(await world.StartAsync().WaitAsync(SourceFixture.Patience, TestContext.Current.CancellationToken));
        Assert.Contains(Host, Assert.Single(world.Source.Problems), StringComparison.Ordinal);
        Assert.True(world.Source.IsSearching);
    }

    [Fact]
    public async Task Watch_PodMoves_NewIncarnation()
    {
        await using var dns = Pods(1);
        await using var world = World(dns, $"http://{Host}");
        var before = Assert.Single(await world.StartAsync());

        dns.Addresses($"ollama-0.{Host}", "10.0.0.99");
        var after = Assert.Single(await world.NextAsync());

        Assert.Equal((before.Name, "10.0.0.99:11434"), (after.Name, after.Incarnation));
    }

    [Fact]
    public async Task List_ConfiguredDnsServers_UsedAndOutageKeepsGroup()
    {
        await using var dns = new DnsServer();
        dns.Addresses(Host, "10.0.0.2", "10.0.0.1", "fd00::1");
        await using var world = World(dns, $"http://{Host}:11434", ("Bridge:Instances:0:Discovery", "Dns"));

        Assert.Equal(["hot-10.0.0.1", "hot-10.0.0.2", "hot-fd00::1"], (await world.StartAsync()).Select(d => d.Name));
        dns.Mood = DnsBehavior.ServerFailure;
        await Eventually.BecomesAsync(() => world.Source.Problems.Count == 1, SourceFixture.Patience);
        Assert.Equal(0, world.Unread);
        dns.Mood = DnsBehavior.Answers;
        dns.Forget(Host);
        await world.UntilAsync();
    }

    private static DnsServer Pods(int count)
    {
        var dns = new DnsServer();
        SetPods(dns, count);
        return dns;
    }

    private static void SetPods(DnsServer dns, int count)
    {
        for (var i = 0; i < count; i++)
            dns.Addresses($"ollama-{i}.{Host}", $"10.0.0.{10 + i}");
        dns.Service(Service, [.. Enumerable.Range(0, count).Select(i => ($"ollama-{i}.{Host}", 11434))]);
    }

    private static SourceFixture World(DnsServer dns, string url, params (string Key, string Value)[] more) => new(
    [
        ("Bridge:Dns:Servers", dns.EndPoint.ToString()), ("Bridge:Dns:Timeout", "00:00:01"), ("Bridge:Dns:Search", ""),
        ("Bridge:DiscoveryInterval", "00:00:00.100"), ("Bridge:Instances:0:Url", url), ("Bridge:Instances:0:Name", "hot"),
        ("Bridge:Instances:0:Slots", "4"), ("Bridge:Instances:0:Discovery", "Srv"), .. more,
    ]);
}
