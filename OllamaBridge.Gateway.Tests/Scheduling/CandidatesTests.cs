using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class CandidatesTests
{
    private readonly FleetBuilder _fleet = new();
    private readonly Candidates _candidates = new();

    [Fact]
    public void Keep_SomePositions_MovesAllColumns()
    {
        Gather(5);
        var seeds = _candidates.Seed.ToArray();
        _candidates.Positions[0] = 1;
        _candidates.Positions[1] = 4;
        _candidates.Keep(2);
        Assert.Equal([1, 4], _candidates.Index.ToArray());
        Assert.Equal([0f, 1f], _candidates.Resident.ToArray());
        Assert.Equal([0.5f, 1f], _candidates.Free.ToArray());
        Assert.Equal([10f, 0f], _candidates.FirstTokenRate.ToArray());
        Assert.Equal([seeds[1], seeds[4]], _candidates.Seed.ToArray());
        Assert.Equal([1, 0], _candidates.TakeRestricted().ToArray());
    }

    [Fact]
    public void Keep_None_Empty()
    {
        Gather(3);
        _candidates.Keep(0);
        Assert.Equal(0, _candidates.Count);
        Assert.True(_candidates.Index.IsEmpty);
    }

    [Fact]
    public void Keep_PositionBeyondEnd_Throws()
    {
        Gather(3);
        _candidates.Positions[0] = 3;
        Assert.Throws<ArgumentOutOfRangeException>(() => _candidates.Keep(1));
    }

    [Fact]
    public void Gather_SmallerFleetAfterLarger_NothingLeftOver()
    {
        Gather(100);
        _candidates.Sum.Fill(7);
        _candidates.GoSlowly = _candidates.MayComeSoon = true;
        var small = new FleetBuilder().With("x", loaded: "a");
        small.Build();
        _candidates.Gather(Deciding.For(small).Model);
        Assert.Equal((1, false, false), (_candidates.Count, _candidates.GoSlowly, _candidates.MayComeSoon));
        Assert.Equal([0f], _candidates.Sum.ToArray());
        Assert.Equal([0], _candidates.TakeRestricted().ToArray());
    }

    [Fact]
    public void MarkFull_One_OthersUnchanged()
    {
        Gather(3);
        _candidates.MarkFull(2);
        Assert.Equal([1f, 0.5f, 0f], _candidates.Free.ToArray());
    }

    /// <summary>Instances with two slots; of the second, one slot is used, the speed is known, and the model is on the CPU.</summary>
    private void Gather(int count)
    {
        for (var i = 0; i < count; i++)
            _fleet.With($"i{i}", loaded: i % 2 == 0 ? "a" : "", slots: 2);
        _fleet.Build();
        _fleet["i1"].TryTakeSlot();
        _fleet.Placement("i1").State.AddTimeToFirstToken(0.1);
        _fleet.Placement("i1").State.MakeGuard()!.SetOnCpu(true, 0);
        _fleet.Build();
        _candidates.Gather(Deciding.For(_fleet).Model);
    }
}
