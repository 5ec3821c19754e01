using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Fleet.Regions;

/// <summary>The configuration of peers in other regions.</summary>
public sealed class RegionPeersTests
{
    private static readonly RegionOptions Two = new()
    {
        Self = "eu-west",
        Peers = [new PeerOptions { Name = "us-east", Url = "https://us.example", ApiKey = "sk-1", Slots = 3 }, new PeerOptions { Name = "asia", Url = "asia.example:11400" }],
    };

    [Fact]
    public void Read_TwoPeers_InstancesOfPeerKind()
    {
        var errors = new List<string>();

        var peers = RegionPeers.Read(Two, errors);

        Assert.Empty(errors);
        Assert.Equal([("us-east", "https://us.example/", 3), ("asia", "http://asia.example:11400/", 16)], peers.Select(p => (p.Name, p.Url.ToString(), p.Slots)));
        Assert.All(peers, p => Assert.Equal((InstanceKind.Bridge, "eu-west"), (p.Kind, p.Peer!.Self)));
        Assert.Equal("sk-1", peers[0].ApiKey!.Value);
        Assert.DoesNotContain("sk-1", peers[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ManyErrors_AllReportedWithKeysWithoutSecret()
    {
        var errors = new List<string>();
        RegionPeers.Read(
            new RegionOptions
            {
                Self = "eu west",
                Peers =
                [
                    new PeerOptions { Name = "us", Url = "ftp://us", Slots = 0, ApiKey = "sk 1" },
                    new PeerOptions { Name = "US", Url = "http://a" },
                    new PeerOptions { Name = "a,b", Url = "http://a" },
                ],
            },
            errors);
        Assert.Equal(
            ["Self", "Peers:0:Url", "Peers:0:Slots", "Peers:0:ApiKey", "Peers:1:Name", "Peers:2:Url", "Peers:2:Name"],
            errors.Select(e => e[..e.IndexOf(": ", StringComparison.Ordinal)]));
        Assert.DoesNotContain(errors, e => e.Contains("sk 1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, "us", "Self")]
    [InlineData("us", "US", "Peers:0:Name")]
    public void Read_MissingOwnName_Error(string? self, string peer, string key)
    {
        var errors = new List<string>();
        RegionPeers.Read(new RegionOptions { Self = self, Peers = [new PeerOptions { Name = peer, Url = "http://us" }] }, errors);
        Assert.StartsWith(key + ":", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("us-east", "http://elsewhere")]
    [InlineData("one", "https://us.example")]
    public void Append_InstanceHasPeersNameOrAddress_InstanceKept(string name, string url)
    {
        var peers = new RegionPeers(Options.Create(Two));
        var all = peers.Append([new InstanceDefinition(name, new Uri(url), 1, 0)]);
        Assert.Equal([name, "asia"], all.Select(d => d.Name));
        Assert.False(new PeerNamesValidator(Options.Create(Two)).Validate(null, new FleetOptions { Instances = [new InstanceOptions { Name = name, Url = url }] }).Succeeded);
    }

    [Fact]
    public void Here_TenantWithPeer_ExcludesPeer()
    {
        var peers = new RegionPeers(Options.Create(Two));
        var owner = new TenantRecord { Id = "owner", OwnInstances = ["us-*", "gpu-1"] };
        var access = InstanceAccess.Of(owner, [owner])!;
        var here = peers.WithoutPeers(access)!;

        Assert.True(access.Allows("us-east"));
        Assert.Equal((false, true, false), (here.Allows("US-east"), here.Allows("gpu-1"), here.Allows("gpu-2")));
        Assert.Same(here, peers.WithoutPeers(access));
        Assert.NotEqual(access, here);
        Assert.Equal((false, true), (peers.WithoutPeers(null)!.Allows("asia"), peers.WithoutPeers(null)!.Allows("gpu-2")));
        Assert.Null(new RegionPeers(Options.Create(new RegionOptions { Self = "alone" })).WithoutPeers(null));
    }

    [Fact]
    public void Read_InstanceOfKindBridge_ErrorPointsToRegions()
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(new FleetOptions { Instances = [new InstanceOptions { Url = "http://a", Kind = InstanceKind.Bridge }] }, errors);
        Assert.Contains("Bridge:Regions:Peers", Assert.Single(errors), StringComparison.Ordinal);
    }
}
