using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class PlacementStateTests
{
    private readonly PlacementState _state = new(new ModelState("a"));

    [Fact]
    public void Enter_LoadingWithoutSuccess_NotLoaded()
    {
        _state.AssumeLoading(5);
        _state.Enter(5);
        Assert.True(_state.IsResident);
        Assert.False(_state.IsLoaded);
        _state.Leave(6, answered: false);
        Assert.False(_state.IsLoaded);
        _state.Observe(loaded: false, askedAt: 7);
        Assert.False(_state.IsResident);
        Assert.Equal((0, 6L), (_state.Active, _state.LastUsed));
    }

    [Fact]
    public void Leave_Success_LoadedAndOneCopy()
    {
        _state.AssumeLoading(5);
        _state.Enter(5);
        _state.Leave(6, answered: true);
        Assert.True(_state.IsLoaded);
        Assert.Equal(1, _state.Model.Copies);
    }

    [Theory]
    [InlineData(9, true)]
    [InlineData(10, true)]
    [InlineData(11, false)]
    public void Observe_OlderThanOwnState_Ignored(long askedAt, bool stillLoaded)
    {
        _state.AssumeLoading(10);
        _state.Observe(loaded: false, askedAt);
        Assert.Equal(stillLoaded, _state.IsResident);
    }

    [Fact]
    public void Observe_AfterAssumedEviction_OlderObservationIgnored()
    {
        _state.Observe(loaded: true, askedAt: 1);
        _state.AssumeEvicted(10);
        _state.Observe(loaded: true, askedAt: 9);
        Assert.False(_state.IsResident);
        _state.Observe(loaded: true, askedAt: 11);
        Assert.True(_state.IsLoaded);
    }

    [Fact]
    public void Observe_OlderThanAnotherObservation_Ignored()
    {
        _state.Observe(loaded: true, askedAt: 10);
        _state.Observe(loaded: false, askedAt: 9);
        Assert.True(_state.IsLoaded);
    }

    [Fact]
    public void Copies_SameObservationTwice_CountedOnce()
    {
        _state.Observe(loaded: true, askedAt: 1);
        _state.Observe(loaded: true, askedAt: 2);
        _state.AssumeLoading(3);
        Assert.Equal(1, _state.Model.Copies);
        _state.Observe(loaded: false, askedAt: 4);
        _state.Observe(loaded: false, askedAt: 5);
        Assert.Equal(0, _state.Model.Copies);
    }

    [Fact]
    public void Retire_LeaseEndsLater_NoCopyRemains()
    {
        _state.Enter(1);
        _state.AssumeLoading(1);
        _state.Retire();
        Assert.Equal(0, _state.Model.Copies);
        _state.Leave(2, answered: true); // the model was deleted during the response
        Assert.Equal(0, _state.Model.Copies);
        _state.Observe(loaded: true, askedAt: 3);
        Assert.Equal(0, _state.Model.Copies);
    }

    [Fact]
    public void TimeToFirstToken_Samples_NullThenMean()
    {
        Assert.True(double.IsNaN(_state.TimeToFirstToken));
        _state.AddTimeToFirstToken(1);
        Assert.Equal(1, _state.TimeToFirstToken);
        _state.AddTimeToFirstToken(2);
        Assert.Equal(1.2, _state.TimeToFirstToken, 6);
    }
}
