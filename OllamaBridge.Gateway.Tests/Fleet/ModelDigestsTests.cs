using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class ModelDigestsTests
{
    private const string A = "aaaaaaaaaaaaaaaa";
    private const string B = "bbbbbbbbbbbbbbbb";
    private const string C = "cccccccccccccccc";

    [Fact]
    public void Divide_OneDigest_AllServed()
    {
        var model = Model(Fleet(("i", A, 0), ("j", A, 5), ("k", null, 9)));
        Assert.Equal((A, 3, 0), (model.Digest, model.Placements.Length, model.Others.Length));
    }

    [Fact]
    public void Divide_TwoDigests_NewestServed()
    {
        var snapshot = Fleet(("i", A, 0), ("j", B, 5), ("k", A, 4), ("l", null, 9));
        var model = Model(snapshot);
        Assert.Equal(B, model.Digest);
        Assert.Equal(["j", "l"], model.Placements.Select(p => p.Instance.Name));
        Assert.Equal(["i", "k"], snapshot.Mismatches.Select(m => m.Instance.Name));
        Assert.All(snapshot.Mismatches, m => Assert.Equal(("m:latest", A, B), (m.Model, m.Digest, m.Served)));
    }

    [Fact]
    public void Divide_NewestOnUnhealthyInstance_NewestOfOthers()
    {
        var fleet = Builder(("i", A, 0), ("j", B, 5));
        fleet.Change("j", v => v with { Status = InstanceStatus.Unhealthy });
        Assert.Equal(A, Model(fleet.Build()).Digest);
        fleet.Change("j", v => v with { Status = InstanceStatus.Healthy });
        Assert.Equal(B, Model(fleet.Build()).Digest);
    }

    [Theory]
    [InlineData(A, A)]
    [InlineData("sha256:AAAAAAAAAAAA", A)]
    [InlineData("dddddddddddd", "dddddddddddd")] // no instance has it: an error is better than another model's response
    public void Divide_ConfiguredDigest_Served(string configured, string expected)
    {
        var rules = new ModelDigests(new Dictionary<string, string> { ["m:latest"] = configured });
        var model = Model(Builder(rules, ("i", A, 0), ("j", B, 5)).Build());
        Assert.Equal(expected, model.Digest);
        Assert.Equal(expected == A ? ["i"] : Array.Empty<string>(), model.Placements.Select(p => p.Instance.Name));
    }

    [Fact]
    public void Build_AnyDigests_PlacementsAndListsAgree()
    {
        var entry = Gen.Zip(Gen.Elements(A, B, C, null), Gen.Zip(Gen.Choose(0, 3), Gen.Elements(true, false)));
        Prop.ForAll(entry.NonEmptyListOf().ToArbitrary(), entries =>
        {
            var fleet = Builder([.. entries.Select((e, i) => ($"i{i}", e.Item1, e.Item2.Item1))]);
            for (var i = 0; i < entries.Count; i++)
                if (!entries[i].Item2.Item2)
                    fleet.Change($"i{i}", v => v with { Status = InstanceStatus.Unhealthy });
            var snapshot = fleet.Build();
            var model = Model(snapshot);
            Assert.Equal(entries.Count, model.Placements.Length + model.Others.Length);
            Assert.All(model.Placements, p => Assert.True(p.Digest is null || p.Digest == model.Digest));
            Assert.All(model.Others, p => Assert.NotEqual(model.Digest, p.Digest));
            if (model.Others.IsEmpty)
                return;
            Assert.NotEmpty(model.Placements);
            // /api/tags shows the digest that is served.
            var shown = (string?)JsonNode.Parse(Inventory.Of(snapshot).Tags.Span)!["models"]![0]!["digest"];
            Assert.True(shown is null || shown == model.Digest);
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Fact]
    public void For_TenantWithSomeInstances_DigestOfThose()
    {
        var snapshot = Fleet(("i", A, 0), ("j", B, 5)).For(InstanceAccess.Without(null, "j"));
        Assert.Equal(A, Model(snapshot).Digest);
        Assert.Single(Model(snapshot).Placements);
        Assert.Contains(A, System.Text.Encoding.UTF8.GetString(Inventory.Of(snapshot).Tags.Span), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(A, "i")]
    [InlineData(B, "j")]
    [InlineData(C, null)]
    [InlineData(null, "k")]
    public void For_Pin_OnlyInstancesWithThatDigest(string? digest, string? expected)
    {
        var model = Model(Fleet(("i", A, 0), ("j", B, 5), ("k", null, 9)));
        Assert.Equal(expected, model.For(new DigestPin(true, digest))?.Placements.Single().Instance.Name);
        Assert.Same(model, model.For(default(DigestPin)));
    }

    [Fact]
    public void For_PinMatchesAll_SameView()
    {
        var model = Model(Fleet(("i", A, 0), ("j", A, 5)));
        Assert.Same(model, model.For(new DigestPin(true, A)));
        Assert.Null(model.For(new DigestPin(true, B))); // all instances have pulled a newer one
    }

    [Fact]
    public void Remarks_OtherDigest_ReasonForExclusion()
    {
        var snapshot = Fleet(("i", A, 0), ("j", B, 5));
        var (i, j) = (snapshot.Instances[0], snapshot.Instances[1]);
        var remarks = InstanceRemarks.Of(snapshot, i);
        Assert.Contains("digest aaaaaaaaaaaa", Assert.Single(remarks), StringComparison.Ordinal);
        Assert.Equal(remarks[0], InstanceRemarks.Reason(snapshot, i, remarks));
        Assert.Empty(InstanceRemarks.Of(snapshot, j));
        Assert.Null(InstanceRemarks.Reason(snapshot, j, []));
    }

    [Fact]
    public void Remarks_EmptyList_Reason()
    {
        var fleet = new FleetBuilder().With("i", models: "");
        var snapshot = fleet.Build();
        var remarks = InstanceRemarks.Of(snapshot, snapshot.Instances[0]);
        Assert.Contains("empty", InstanceRemarks.Reason(snapshot, snapshot.Instances[0], remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void Remarks_MissingRoute_NoReason()
    {
        var fleet = new FleetBuilder().With("i").Change("i", v => v with { Remarks = ["it has no /api/ps"] });
        var snapshot = fleet.Build();
        var remarks = InstanceRemarks.Of(snapshot, snapshot.Instances[0]);
        Assert.Equal(["it has no /api/ps"], remarks);
        Assert.Null(InstanceRemarks.Reason(snapshot, snapshot.Instances[0], remarks));
    }

    private static FleetSnapshot Fleet(params (string Name, string? Digest, int Age)[] instances) => Builder(instances).Build();

    private static FleetBuilder Builder(params (string Name, string? Digest, int Age)[] instances) => Builder(ModelDigests.Newest, instances);

    private static FleetBuilder Builder(ModelDigests rules, params (string Name, string? Digest, int Age)[] instances)
    {
        var fleet = new FleetBuilder(digests: rules);
        foreach (var (name, digest, age) in instances)
            fleet.With(name, "m").Change(name, v => v with
            {
                Catalog = [FleetBuilder.Model("m", FleetBuilder.Day.AddMinutes(age), digest is null ? """{"name":"m"}""" : $$"""{"name":"m","digest":"{{digest}}"}""") with { Digest = digest }],
            });
        return fleet;
    }

    private static ModelView Model(FleetSnapshot snapshot) => snapshot.Models["m:latest"];
}
