using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Queueing;

public class LoadSheddingPolicyTests
{
    [Fact]
    public void Choose_InteractiveArrives_ShedsBatchOfLargestTenant() => Assert.Equal(
        ("b", Priority.Batch),
        LoadSheddingPolicy.Choose([new("a", 0, 3), new("b", 4, 1), new("c", 2, 0)], 10, "d", Priority.Interactive));

    [Fact]
    public void Choose_InteractiveArrives_ShedsOwnTenantsBatch() => Assert.Equal(
        ("a", Priority.Batch), LoadSheddingPolicy.Choose([new("a", 9, 1)], 10, "a", Priority.Interactive));

    [Fact]
    public void Choose_OneTenantOnly_RefusesNewRequest()
    {
        Assert.Null(LoadSheddingPolicy.Choose([new("a", 10, 0)], 10, "a", Priority.Interactive));
        Assert.Null(LoadSheddingPolicy.Choose([new("a", 0, 10)], 10, "a", Priority.Batch));
    }

    [Fact]
    public void Choose_TenantBelowShare_ShedsTenantAboveShare() => Assert.Equal(
        ("a", Priority.Interactive), LoadSheddingPolicy.Choose([new("a", 10, 0)], 10, "b", Priority.Interactive));

    [Fact]
    public void Choose_ShareUsed_RefusesNewRequest() =>
        Assert.Null(LoadSheddingPolicy.Choose([new("a", 5, 0), new("b", 5, 0)], 10, "b", Priority.Interactive));

    [Fact]
    public void Choose_BatchArrives_NeverShedsInteractive()
    {
        Assert.Null(LoadSheddingPolicy.Choose([new("a", 10, 0)], 10, "b", Priority.Batch));
        Assert.Equal(("a", Priority.Batch), LoadSheddingPolicy.Choose([new("a", 8, 2)], 10, "b", Priority.Batch));
    }

    [Fact]
    public void Choose_LengthZero_RefusesNewRequest() => Assert.Null(LoadSheddingPolicy.Choose([], 0, "a", Priority.Interactive));
}
