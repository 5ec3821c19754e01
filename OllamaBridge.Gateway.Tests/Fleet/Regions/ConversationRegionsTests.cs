using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Tests.Fleet.Regions;

/// <summary>The bounded table of the conversations' home regions.</summary>
public sealed class ConversationRegionsTests
{
    private static readonly RegionOptions Small = new() { MaxConversations = 2, ConversationMemory = TimeSpan.FromMinutes(10) };
    private readonly FakeTimeProvider _clock = new();
    private readonly ConversationRegions _homes;

    public ConversationRegionsTests() => _homes = new ConversationRegions(Options.Create(Small), _clock);

    [Fact]
    public void Find_NotedForModel_OnlyThatModel()
    {
        _homes.Note(1, "a", "us");
        Assert.Equal("us", _homes.Find(1, "a"));
        Assert.Null(_homes.Find(1, "b"));
        Assert.Null(_homes.Find(2, "a"));
    }

    [Fact]
    public void Find_Forgotten_HomeIsHere()
    {
        _homes.Note(1, "a", "us");
        _homes.Forget(1, "a");
        Assert.Null(_homes.Find(1, "a"));
    }

    [Fact]
    public void Find_LastTurnLongAgo_HomeIsHere()
    {
        _homes.Note(1, "a", "us");
        _clock.Advance(Small.ConversationMemory - TimeSpan.FromTicks(1));
        Assert.Equal("us", _homes.Find(1, "a"));
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Null(_homes.Find(1, "a"));
    }

    [Fact]
    public void Note_AnotherTurn_ExtendsRetention()
    {
        _homes.Note(1, "a", "us");
        _clock.Advance(TimeSpan.FromMinutes(9));
        _homes.Note(1, "a", "asia");
        _clock.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal("asia", _homes.Find(1, "a"));
    }

    [Fact]
    public void Note_Full_EvictsLeastRecentlyUsed()
    {
        _homes.Note(1, "a", "us");
        _homes.Note(2, "a", "us");
        _homes.Note(1, "a", "us");
        _homes.Note(3, "a", "us");
        Assert.Equal(("us", null, "us"), (_homes.Find(1, "a"), _homes.Find(2, "a"), _homes.Find(3, "a")));
    }
}
