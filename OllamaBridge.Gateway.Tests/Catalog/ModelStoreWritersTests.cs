using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Catalog;

public sealed class ModelStoreWritersTests
{
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("c", "a").With("b", "a").With("a", "other").WithOpenAI("0", "a");
    private readonly ModelStoreWriters _writers;

    public ModelStoreWritersTests()
    {
        _fleet.Publish(_builder.Build());
        _writers = new ModelStoreWriters(_fleet);
    }

    [Fact]
    public void Choose_ChangeOfExistingModel_FirstOfItsInstancesByName()
    {
        var change = Change("/api/delete", "a");
        Assert.Equal("b", Choose(change));
        Assert.Equal("c", Choose(change, "b"));
        Assert.Null(Choose(change, "b", "c"));
    }

    [Fact]
    public void Choose_ModelOnNoInstance_None() => Assert.Null(Choose(Change("/api/delete", "new")));

    [Fact]
    public void Choose_NewModel_FirstOllamaServerByName()
    {
        var change = Change("/api/pull");
        Assert.Equal("a", Choose(change));
        Assert.Equal("b", Choose(change, "a"));
        Assert.Null(Choose(change, "a", "b", "c"));
    }

    [Fact]
    public void Choose_InstanceUnusable_NextOne()
    {
        _fleet.Publish(_builder.Change("b", v => v with { Status = InstanceStatus.Unhealthy }).Build());
        Assert.Equal("c", Choose(Change("/api/delete", "a")));
    }

    [Theory]
    [InlineData("a", "b")]
    [InlineData("missing", "a")]
    public void Choose_Source_InstanceThatHasIt(string source, string expected) =>
        Assert.Equal(expected, Choose(Change("/api/create") with { SourceKey = FleetBuilder.Key(source) }));

    [Fact]
    public void Choose_BlobUploaded_ItsInstance()
    {
        _writers.Remember("sha256:1", _builder["c"]);
        Assert.Equal("c", Choose(Change("/api/blobs/sha256:1") with { Rest = "sha256:1" }));
        Assert.Equal("c", Choose(Change("/api/create") with { Digests = ["sha256:0", "sha256:1"] }));
        Assert.Equal("a", Choose(Change("/api/create") with { Digests = ["sha256:0"] }));
    }

    [Fact]
    public void Choose_BlobOnUnusableInstance_Another()
    {
        _writers.Remember("sha256:1", _builder["c"]);
        var change = Change("/api/create") with { Digests = ["sha256:1"] };
        Assert.Equal("a", Choose(change, "c"));
        _fleet.Publish(_builder.Change("c", v => v with { Status = InstanceStatus.Unhealthy }).Build());
        Assert.Equal("a", Choose(change));
    }

    [Fact]
    public void Choose_TenantWithFewerInstances_OnlyThose()
    {
        var tenant = new Tenant { Id = "team", Instances = InstanceAccess.Without(null, ["a", "b"]) };
        Assert.Equal("c", Choose(Change("/api/pull") with { Tenant = tenant }));
    }

    private static ModelChange Change(string path, string model = "") => new(
        OperationTable.Find(path, out _)!, "", Tenant.Anonymous, model.Length == 0 ? "" : FleetBuilder.Key(model), null, []);

    private string? Choose(ModelChange change, params string[] tried) =>
        _writers.Choose(change, tried.Length == 0 ? null : tried.Select(n => _builder[n]).ToHashSet())?.Name;
}
