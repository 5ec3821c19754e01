using OllamaBridge.Gateway.Scheduling.Scorers;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class ScorerTests
{
    [Fact]
    public void ModelLoaded_CheaperLoad_ScoresHigher()
    {
        var fleet = new FleetBuilder()
            .With("resident", "a b", loaded: "a", capacity: 1)
            .With("empty", "a b", capacity: 2)
            .With("room", "a b", loaded: "b", capacity: 2)
            .With("full", "a b", loaded: "b", capacity: 1)
            .With("last", "a c", loaded: "c", capacity: 1);
        fleet.Build();
        Assert.Equal([1f, 0.5f, 0.25f, 0.25f, 0f], Deciding.Score(new ModelLoadedScorer(), Deciding.For(fleet)));
    }

    [Fact]
    public void Load_FreeSlots_ScoresTheirShare()
    {
        var fleet = new FleetBuilder().With("i", slots: 4).With("j", slots: 1).With("k", slots: 2);
        fleet.Build();
        fleet["i"].TryTakeSlot();
        fleet["j"].TryTakeSlot();
        Assert.Equal([0.75f, 0f, 1f], Deciding.Score(new LoadScorer(), Deciding.For(fleet)));
    }

    [Fact]
    public void TimeToFirstToken_Unknown_ScoresBest()
    {
        var fleet = new FleetBuilder().With("i").With("j").With("k").With("l");
        fleet.Build();
        fleet.Placement("i").State.AddTimeToFirstToken(0.1);
        fleet.Placement("j").State.AddTimeToFirstToken(0.4);
        fleet.Placement("l").State.AddTimeToFirstToken(0);
        fleet.Build(); // a decision uses the newest snapshot
        var scores = Deciding.Score(new TimeToFirstTokenScorer(), Deciding.For(fleet));
        Assert.Equal([1f, 1f], [scores[2], scores[3]]);
        Assert.InRange(scores[0], 0, 0.001f);
        Assert.Equal(0.25, scores[1] / scores[0], 3);
    }

    [Fact]
    public void TimeToFirstToken_AllUnknown_Equal()
    {
        var fleet = new FleetBuilder().With("i").With("j");
        fleet.Build();
        Assert.Equal([1f, 1f], Deciding.Score(new TimeToFirstTokenScorer(), Deciding.For(fleet)));
    }

    [Fact]
    public void Affinity_None_NoScore()
    {
        var fleet = new FleetBuilder().With("i").With("j");
        fleet.Build();
        Assert.Equal([0f, 0f], Deciding.Score(new AffinityScorer(), Deciding.For(fleet, affinity: 0)));
    }

    [Fact]
    public void Affinity_ManyConversations_OneInstanceEachSpreadEvenly()
    {
        var fleet = Fleet(8);
        var counts = new int[8];
        for (var conversation = 1UL; conversation <= 8000; conversation++)
        {
            var scores = Deciding.Score(new AffinityScorer(), Deciding.For(fleet, affinity: conversation));
            Assert.Equal(1f, scores.Sum());
            counts[Array.IndexOf(scores, 1f)]++;
        }

        Assert.All(counts, c => Assert.InRange(c, 800, 1200));
    }

    [Fact]
    public void Affinity_InstanceRemoved_OnlyItsConversationsMove()
    {
        var fleet = Fleet(5);
        var before = Homes(fleet);
        fleet.Remove("i2").Build();
        var after = Homes(fleet);
        Assert.Contains("i2", before);
        Assert.All(before.Zip(after), p => Assert.True(p.First == "i2" || p.First == p.Second));
        Assert.DoesNotContain("i2", after);
    }

    [Fact]
    public void Affinity_InstanceAdded_TakesOnlyItsShare()
    {
        var fleet = Fleet(5);
        var before = Homes(fleet);
        fleet.With("new").Build();
        var after = Homes(fleet);
        Assert.All(before.Zip(after), p => Assert.True(p.Second == "new" || p.First == p.Second));
        Assert.InRange(after.Count(a => a == "new"), 100, 240); // a sixth of 1,000
    }

    private static FleetBuilder Fleet(int count)
    {
        var fleet = new FleetBuilder();
        for (var i = 0; i < count; i++)
            fleet.With($"i{i}");
        fleet.Build();
        return fleet;
    }

    private static string[] Homes(FleetBuilder fleet) => [.. Enumerable.Range(1, 1000).Select(c =>
    {
        var request = Deciding.For(fleet, affinity: (ulong)c);
        return request.Model.Placements[Array.IndexOf(Deciding.Score(new AffinityScorer(), request), 1f)].Instance.Name;
    })];
}
