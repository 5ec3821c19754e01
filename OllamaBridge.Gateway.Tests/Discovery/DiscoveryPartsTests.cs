using OllamaBridge.Gateway.Discovery;
using static OllamaBridge.Testing.Kubernetes.Slices;

namespace OllamaBridge.Gateway.Tests.Discovery;

/// <summary>The pure decisions of discovery, without a network.</summary>
public class DiscoveryPartsTests
{
    private static readonly InstanceDefinition Group = new("hot", new Uri("http://ollama.ai:11434"), 4, 0, InstanceDiscovery.Kubernetes);

    [Fact]
    public void Search_PodSettings_SearchDomainsFirstForShortNames()
    {
        var list = SearchList.Read("nameserver 10.96.0.10\nsearch ai.svc.cluster.local svc.cluster.local. cluster.local\noptions ndots:5 timeout:2\n");

        Assert.Equal(5, list.Dots);
        Assert.Equal(
            ["_http._tcp.ollama.ai.svc.cluster.local.", "_http._tcp.ollama.svc.cluster.local.", "_http._tcp.ollama.cluster.local.", "_http._tcp.ollama."],
            list.Names("ollama", "_http._tcp."));
        Assert.Equal("_http._tcp.ollama.ai.svc.cluster.local.", list.Names("ollama.ai", "_http._tcp.").ElementAt(1));
        Assert.Equal("a.b.c.d.e.f.", list.Names("a.b.c.d.e.f").First());
        Assert.Equal(["ollama."], list.Names("ollama."));
    }

    [Theory]
    [InlineData("search a.b\nsearch c", "c")]
    [InlineData("domain a.b", "a.b")]
    [InlineData("\tsearch  a\tb # c", "a b # c")]
    [InlineData("# search a\noptions ndots:x", "")]
    [InlineData("", "")]
    [InlineData("search .", "")]
    public void Search_Settings_Domains(string text, string domains) => Assert.Equal(domains, string.Join(' ', SearchList.Read(text).Domains));

    [Fact]
    public void Search_TooLong_NotQueried() =>
        Assert.Single(new SearchList([new string('d', 200)]).Names(new string('h', 60)));

    [Theory]
    [InlineData("ollama", "ollama", null)]
    [InlineData("ollama.ai", "ollama", "ai")]
    [InlineData("ollama.ai.svc", "ollama", "ai")]
    [InlineData("ollama-1.my-space.svc.cluster.local", "ollama-1", "my-space")]
    [InlineData("ollama.ai.svc.cluster.local.", "ollama", "ai")]
    public void Service_ClusterNames_Parsed(string host, string name, string? space) => Assert.Equal(new ServiceName(name, space), ServiceName.Read(host));

    [Theory]
    [InlineData("ollama.ai.example.com")]
    [InlineData("_http._tcp.ollama.ai.svc")]
    [InlineData("-a")]
    [InlineData("a..svc")]
    [InlineData("")]
    public void Service_OtherNames_Null(string host) => Assert.Null(ServiceName.Read(host));

    [Fact]
    public void Endpoints_Conditions_ReadyKeptTerminatingDrainedOthersOmitted()
    {
        var unsaid = Pod("unsaid", "10.0.0.5");
        unsaid.Conditions = null;
        var read = Endpoints.Read(
            [Slice("s", "ollama", 11434, Pod("ready", "10.0.0.1"), Pod("starting", "10.0.0.2", ready: false), Pod("leaving", "10.0.0.3", leaving: true),
                Pod("gone", "10.0.0.4", leaving: false), unsaid)], Group);

        Assert.Equal(
            [("ready", "http://10.0.0.1:11434/", false), ("leaving", "http://10.0.0.3:11434/", true), ("unsaid", "http://10.0.0.5:11434/", false)],
            read.Select(m => (m.Name!, m.Url.AbsoluteUri, m.IsLeaving)));
        Assert.Equal("uid-ready", read[0].Incarnation);
    }

    [Fact]
    public void Endpoints_PodInSeveralSlices_OneInstanceByIPv4AndTerminatingWins()
    {
        var read = Endpoints.Read(
            [Slice("six", "ollama", 1, Pod("a", "fd00::1"), Pod("b", "fd00::2")), Slice("four", "ollama", 1, Pod("a", "10.0.0.1", leaving: true)),
                Slice("old", "ollama", 1, Pod("a", "10.0.0.1"))], Group);

        Assert.Equal([("a", "http://10.0.0.1:1/", true), ("b", "http://[fd00::2]:1/", false)], read.Select(m => (m.Name!, m.Url.AbsoluteUri, m.IsLeaving)));
    }

    [Fact]
    public void Endpoints_Ports_ByNameElseSingleElseConfigured()
    {
        var slice = Slice("s", "ollama", 1, Pod("a", "10.0.0.1"));
        slice.Ports = [new() { Name = "metrics", Port = 2 }, new() { Name = "http", Port = 3 }];
        Assert.Equal(3, Port());
        slice.Ports[1].Name = "api";
        Assert.Equal(11434, Port());
        slice.Ports = [new() { Name = "api", Port = 4 }, new() { Name = "http", Port = 5, Protocol = "UDP" }];
        Assert.Equal(4, Port());
        slice.Ports = null;
        Assert.Equal(11434, Port());

        int Port() => Assert.Single(Endpoints.Read([slice], Group)).Url.Port;
    }

    [Fact]
    public void Endpoints_WithoutPod_NamedByHostNameOrAddress()
    {
        var named = Pod("x", "10.0.0.1");
        (named.TargetRef, named.Hostname) = (null, "mine");
        var unnamed = Pod("x", "10.0.0.2");
        unnamed.TargetRef = null;
        var elsewhere = Pod("x", "gpu.example");
        elsewhere.TargetRef = null;

        var read = Endpoints.Read([Slice("s", "ollama", 1, named, unnamed, elsewhere)], Group);

        Assert.Equal([("mine", "10.0.0.1:1"), (null, "10.0.0.2:1")], read.Select(m => (m.Name, m.Incarnation!)));
    }

    [Fact]
    public void Endpoints_EmptySlices_NoInstances() =>
        Assert.Empty(Endpoints.Read([Slice("s", "ollama", 1), new k8s.Models.V1EndpointSlice()], Group));

    [Fact]
    public void Names_TwoGroupsWithSamePods_PrefixedIfTakenInAnyOrder()
    {
        var cold = Group with { Name = "cold" };
        GroupMember[] hot = [Member("ollama-1", 2), Member("ollama-0", 1)];
        GroupMember[] others = [Member("ollama-0", 3), Member("mine", 4), Member("a b", 5), Member(null, 6), Member("ollama-9", 1)];
        var names = new GroupNames([new InstanceDefinition("Mine", new Uri("http://10.9.9.9:1"), 1, 0)]);

        Assert.Equal(["ollama-0", "ollama-1"], names.Name(Group, hot).Select(d => d.Name));
        // The last server is already a member of another group, and a second entry would double its slots.
        Assert.Equal(["cold-10.0.0.1", "cold-a b", "cold-mine", "cold-ollama-0"], names.Name(cold, others).Select(d => d.Name));

        static GroupMember Member(string? name, int port) => new(name, new Uri($"http://10.0.0.1:{port}"), name);
    }

    [Fact]
    public void Names_Group_SettingsCopiedToEachMember()
    {
        var named = Assert.Single(new GroupNames([]).Name(Group with { MaxLoadedModels = 3 }, [new("p", new Uri("http://10.0.0.1:1"), "uid", true)]));

        Assert.Equal(
            new InstanceDefinition("p", new Uri("http://10.0.0.1:1"), 4, 3) { IsDiscovered = true, Incarnation = "uid", IsLeaving = true }, named);
    }

    [Theory]
    [InlineData("http://10.0.0.1:1", "Srv", null, "Url")]
    [InlineData("http://[::1]", "Kubernetes", null, "Url")]
    [InlineData("http://ollama.ai.example.com", "Kubernetes", null, "Url")]
    [InlineData("http://_http._tcp.ollama", "Kubernetes", null, "Url")]
    [InlineData("http://ollama", "Srv", "my port", "PortName")]
    [InlineData("http://ollama", "Dns", "http", "PortName")]
    [InlineData("http://ollama", "None", "http", "PortName")]
    [InlineData("http://ollama.ai.example.com", "Srv", "api", null)]
    [InlineData("http://_http._tcp.ollama.ai.svc.cluster.local:11434", "Srv", null, null)]
    [InlineData("http://ollama.ai.svc.cluster.local", "Kubernetes", null, null)]
    public void Settings_Errors_NameKey(string url, string discovery, string? port, string? setting)
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(
            new FleetOptions { Instances = [new() { Url = url, Discovery = Enum.Parse<InstanceDiscovery>(discovery), PortName = port }] }, errors);
        Assert.Equal(setting is null ? [] : [$"Bridge:Instances:0:{setting}"], errors.Select(e => e[..e.IndexOf(": ", StringComparison.Ordinal)]));
    }

    [Theory]
    [InlineData("10.96.0.10", null)]
    [InlineData("127.0.0.1:5353, [::1]:53,fd00::1", null)]
    [InlineData("10.0.0.1,dns.example", "dns.example")]
    public void Settings_Servers_Addresses(string servers, string? mistake)
    {
        var result = new DnsServersValidator().Validate(null, new DnsOptions { Servers = servers });
        Assert.Equal(mistake is not null, result.Failed);
        Assert.Contains(mistake ?? "", result.FailureMessage ?? "", StringComparison.Ordinal);
    }
}
