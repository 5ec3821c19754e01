using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public sealed class FleetMembersTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch + TimeSpan.FromDays(20_000);
    private static readonly InstanceDefinition[] Configured = [FakeSource.Definition("i")];

    [Fact]
    public void Add_NameOrAddressTaken_RejectedWithReason()
    {
        var words = Add(OperatorDirectives.None, FakeSource.Definition("k"));
        Assert.Equal((MemberChange.Configured, words), FleetMembers.Add(FakeSource.Definition("I") with { Url = new Uri("http://x") }, Configured, words, Now));
        Assert.Equal((MemberChange.AddressTaken, words), FleetMembers.Add(FakeSource.Definition("x") with { Url = new Uri("http://i") }, Configured, words, Now));
        Assert.Equal((MemberChange.AddressTaken, words), FleetMembers.Add(FakeSource.Definition("x") with { Url = new Uri("http://k/") }, Configured, words, Now));
    }

    [Fact]
    public void Add_AddressOfRemovedInstance_Accepted()
    {
        var words = Add(OperatorDirectives.None, FakeSource.Definition("k")).Remove("k", Now);
        Assert.Equal(MemberChange.Added, FleetMembers.Add(FakeSource.Definition("x") with { Url = new Uri("http://k") }, Configured, words, Now).Change);
    }

    [Fact]
    public void Merge_SameAddressAddedAtTwoGateways_EarlierWins()
    {
        var (a, b) = (FakeSource.Definition("z") with { Url = new Uri("http://x") }, FakeSource.Definition("b") with { Url = new Uri("http://x") });
        MemberMark first = new("z", a, 5), second = new("b", b, 6), third = new("c", FakeSource.Definition("c"), 7);
        foreach (var order in new[] { new[] { first, second, third }, [third, second, first] })
        {
            var hidden = new List<InstanceDefinition>();
            var merged = FleetMembers.Merge(Configured, VersionedMap<MemberMark>.Empty.Merge([.. order], Now), hidden);
            Assert.Equal(["i", "c", "z"], merged.Select(d => d.Name));
            Assert.Equal([b], hidden);
        }
    }

    [Fact]
    public void Merge_ConflictAtSameTime_StoresValueWins()
    {
        var ours = VersionedMap<DrainMark>.Empty.Merge([new DrainMark("i", true, 5)], Now);
        Assert.True(ours.Merge([new DrainMark("i", false, Now.ToUnixTimeMilliseconds())], Now).TryGet("I", out var mark) && !mark.Draining);
        Assert.True(ours.Merge([new DrainMark("i", true, 4)], Now) == ours);
        var tied = VersionedMap<DrainMark>.Empty.Merge([new DrainMark("i", true, Now.ToUnixTimeMilliseconds())], Now);
        Assert.True(tied.Merge([new DrainMark("i", false, Now.ToUnixTimeMilliseconds())], Now).TryGet("i", out mark) && !mark.Draining);
    }

    [Fact]
    public void LackedBy_Entries_OnlyMissingOrOlder()
    {
        var ours = VersionedMap<DrainMark>.Empty.Merge([new DrainMark("i", true, 5), new DrainMark("j", true, 5), new DrainMark("k", true, 5)], Now);
        var lacked = ours.LackedBy([new DrainMark("i", true, 5), new DrainMark("j", true, 4), new DrainMark("x", true, 9)], Now);
        Assert.Equal(["j", "k"], lacked.Select(d => d.Instance).Order());
    }

    [Fact]
    public void Merge_ExpiredRemovals_ForgottenAndNotSentAgain()
    {
        var words = Add(OperatorDirectives.None, FakeSource.Definition("k")).Remove("k", Now);
        var later = Now + OperatorDirectives.Memory + TimeSpan.FromMinutes(1);
        Assert.Empty(words.Members.LackedBy([], later));
        var heard = Add(words, FakeSource.Definition("x"), later).Members;
        Assert.False(heard.TryGet("k", out _));
        Assert.True(heard.Merge([new MemberMark("k", null, Now.ToUnixTimeMilliseconds())], later) == heard);
    }

    private static OperatorDirectives Add(OperatorDirectives words, InstanceDefinition definition, DateTimeOffset? now = null) =>
        FleetMembers.Add(definition, Configured, words, now ?? Now).Directives;
}
