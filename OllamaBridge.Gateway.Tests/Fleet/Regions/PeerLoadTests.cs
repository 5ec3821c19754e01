using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet.Regions;

/// <summary>The free slots of a peer, according to its last load report.</summary>
public sealed class PeerLoadTests
{
    private readonly Instance _peer = new FleetBuilder().WithPeer("us", "a", free: 2)["us"];

    [Fact]
    public void FreeSlots_NothingSent_AsReported()
    {
        Assert.Equal(2, _peer.FreeSlots(Key("a")));
        Assert.Equal(0, _peer.FreeSlots(Key("b")));
    }

    [Fact]
    public void FreeSlots_PeerHasWaitingRequests_None()
    {
        _peer.TakeLoad(FleetBuilder.Report("a", free: 2, waiting: 1), used: 0);
        Assert.Equal(0, _peer.FreeSlots(Key("a")));
        Assert.True(_peer.PeerCanServe(Key("a")));
    }

    [Fact]
    public void FreeSlots_SentSinceReport_CountedImmediatelyAndFreedByNextReport()
    {
        Assert.True(_peer.TryTakeSlot(_peer.PeerLimit(Key("a"))));
        Assert.True(_peer.TryTakeSlot(_peer.PeerLimit(Key("a"))));
        Assert.False(_peer.TryTakeSlot(_peer.PeerLimit(Key("a"))));

        _peer.TakeLoad(FleetBuilder.Report("a", free: 0), used: 2);
        _peer.TakeLoad(FleetBuilder.Report("a", free: 0), used: 2);
        _peer.ReturnSlot();
        // The report has two of our requests and no room. The one that ended may have been replaced by one of the peer's own.
        Assert.Equal(1, _peer.SlotsUsed);
        Assert.Equal(0, _peer.FreeSlots(Key("a")));

        _peer.TakeLoad(FleetBuilder.Report("a", free: 1), used: 1);
        Assert.Equal(1, _peer.FreeSlots(Key("a")));
    }

    [Fact]
    public void FreeSlots_SentJustBeforeReport_NotCountedAsReported()
    {
        Assert.True(_peer.TryTakeSlot());
        // The request was still under way when the peer reported two free slots.
        _peer.TakeLoad(FleetBuilder.Report("a", free: 2), used: 1);
        Assert.Equal(1, _peer.FreeSlots(Key("a")));
        _peer.TakeLoad(FleetBuilder.Report("a", free: 1), used: 1);
        Assert.Equal(1, _peer.FreeSlots(Key("a")));
    }

    [Fact]
    public void FreeSlots_NoReport_None()
    {
        _peer.TakeLoad(null, used: 0);
        Assert.Equal((0, false), (_peer.FreeSlots(Key("a")), _peer.PeerCanServe(Key("a"))));
    }

    [Theory]
    [InlineData(8, int.MaxValue, 8)]
    [InlineData(8, 4, 2)] // a quarter of the slots gives a quarter of the room
    [InlineData(1, 4, 1)]
    [InlineData(0, 4, 0)]
    public void FreeSlots_SeveralGateways_OwnShareOfRoom(int free, int allowance, int expected)
    {
        _peer.TakeLoad(FleetBuilder.Report("a", free), used: 0);
        _peer.Allowance = allowance;
        Assert.Equal(expected, _peer.FreeSlots(Key("a")));
    }

    private static string Key(string name) => FleetBuilder.Key(name);
}
