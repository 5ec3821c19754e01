using Microsoft.Extensions.Primitives;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet.Regions;

/// <summary>The request header with the visited regions.</summary>
public sealed class RegionStageTests
{
    [Theory]
    [InlineData("eu", true)]
    [InlineData("us, EU", true)]
    [InlineData("us,eu,asia", true)]
    [InlineData("us", false)]
    [InlineData("eu-west", false)]
    [InlineData("", false)]
    public void HasBeen_OneHeader_MatchesWholeNames(string visited, bool expected) => Assert.Equal(expected, RegionStage.HasBeen("eu", visited));

    [Fact]
    public void HasBeen_SeveralHeaders_ReadsAll() => Assert.True(RegionStage.HasBeen("eu", new StringValues(["us", "asia, eu"])));

    [Fact]
    public void Authorize_Peer_SendsVisitedRegionsOnlyToPeer()
    {
        var fleet = new FleetBuilder().With("i").WithPeer("us");
        using var there = new HttpRequestMessage();
        using var here = new HttpRequestMessage();

        fleet["us"].Authorize(there);
        fleet["i"].Authorize(here);

        Assert.Equal(["here"], there.Headers.GetValues(PeerBridge.Header));
        Assert.Empty(here.Headers);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("us", null)]
    [InlineData("US", null)]
    [InlineData("here", "its URL points to this region, here")]
    [InlineData("asia", "it reports the name 'asia'")]
    public void Mistake_PeersOwnName_MustMatchConfiguration(string? says, string? expected) =>
        Assert.Equal(expected, new RegionReport(says, null, 1, []).Mistake("us", "here"));
}
