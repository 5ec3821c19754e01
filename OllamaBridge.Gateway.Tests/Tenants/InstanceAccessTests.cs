using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public sealed class InstanceAccessTests
{
    private static readonly TenantRecord Owner = new() { Id = "owner", OwnInstances = ["gold-*"] };
    private static readonly TenantRecord Guest = new() { Id = "guest", Instances = ["shared-1", "gold-1"] };
    private static readonly TenantRecord Both = new() { Id = "both", Instances = ["*"], OwnInstances = ["silver"] };
    private static readonly TenantRecord Other = new() { Id = "other" };
    private static readonly TenantRecord[] All = [Owner, Guest, Both, Other];

    [Theory]
    [InlineData("owner", "GOLD-7", true)] // names compare without case
    [InlineData("owner", "shared-1", false)]
    [InlineData("guest", "shared-1", true)]
    [InlineData("guest", "shared-2", false)]
    [InlineData("guest", "gold-1", false)] // guest access is ineffective against its owner
    [InlineData("both", "silver", true)]
    [InlineData("both", "shared-2", true)]
    [InlineData("both", "gold-1", false)]
    [InlineData("other", "shared-2", true)]
    [InlineData("other", "silver", false)]
    [InlineData(null, "shared-2", true)]
    [InlineData(null, "gold-9", false)]
    public void Allows_OwnersAndGuests_ByInstance(string? tenant, string instance, bool expected) =>
        Assert.Equal(expected, InstanceAccess.Of(All.FirstOrDefault(t => t.Id == tenant), All)!.Allows(instance));

    [Theory]
    [InlineData("owner", "gold-*", true)]
    [InlineData("owner", "shared*", false)]
    [InlineData("guest", "SHARED*", true)] // allowed for at least one match
    [InlineData("guest", "shared-1-*", false)]
    [InlineData("guest", "gold-*", false)]
    [InlineData("both", "silver*", true)]
    [InlineData("other", "silver*", true)] // silver belongs to another tenant, but silver-2 would not
    [InlineData("other", "gold-cold-*", false)]
    [InlineData("other", "g*", true)] // the matches that don't start with gold
    [InlineData(null, "shared*", true)]
    public void MayAllow_Prefixes_IfAnyMatchAllowed(string? tenant, string pattern, bool expected) =>
        Assert.Equal(expected, InstanceAccess.Of(All.FirstOrDefault(t => t.Id == tenant), All)!.MayAllow(pattern));

    [Fact]
    public void Of_NoOwners_NoRestriction() => Assert.Null(InstanceAccess.Of(Other, [Other]));

    [Fact]
    public void Of_TwoOwners_BothAllowed()
    {
        TenantRecord[] all = [Owner, Owner with { Id = "partner" }];
        Assert.All(all, t => Assert.True(InstanceAccess.Of(t, all)!.Allows("gold-1")));
    }

    [Fact]
    public void Of_DisabledOwner_OthersExcluded() =>
        Assert.False(InstanceAccess.Of(Other, [Owner with { Disabled = true }, Other])!.Allows("gold-1"));

    [Fact]
    public void Equals_SameRules_True()
    {
        var third = Other with { Id = "third" };
        TenantRecord[] all = [.. All, third];
        Assert.Equal(InstanceAccess.Of(Other, all), InstanceAccess.Of(third, all));
        Assert.Equal(InstanceAccess.Of(Other, all)!.GetHashCode(), InstanceAccess.Of(null, all)!.GetHashCode());
        Assert.NotEqual(InstanceAccess.Of(Other, all), InstanceAccess.Of(Guest, all));
        Assert.NotEqual(InstanceAccess.Of(Owner, all), InstanceAccess.Of(Guest with { Instances = ["gold-*"] }, [Guest]));
    }
}
