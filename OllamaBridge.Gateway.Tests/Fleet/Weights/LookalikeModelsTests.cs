using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Weights;

namespace OllamaBridge.Gateway.Tests.Fleet.Weights;

public class LookalikeModelsTests
{
    private const long Large = 4_000_000_000;
    private readonly ModelWeights _weights = new();

    [Theory]
    [InlineData(Large, Large + 500, "a b")]
    [InlineData(Large, Large + (1 << 20) + 1, "")]
    [InlineData(0, 0, "")] // the server does not report it
    public void Find_Models_OnlySimilarSizes(long one, long two, string found) =>
        Assert.Equal(found, Find(Model("a", one), Model("b", two)));

    [Fact]
    public void Find_OneDigestUnderTwoNames_NotQueried() =>
        Assert.Equal("", Find(Model("a", Large), Model("a", Large)));

    [Fact]
    public void Find_AlreadyRead_NotReturned()
    {
        _weights.Add("a", "key");
        _weights.Add("b", null);
        Assert.Equal("c", Find(Model("a", Large), Model("b", Large + 1), Model("c", Large + 2)));
    }

    [Fact]
    public void Find_NoDigestOrOtherServer_NotReturned() =>
        Assert.Equal("", Find(Model("a", Large), Model("b", Large) with { Digest = null }, Model("c", Large) with { IsRemote = true }));

    [Fact]
    public void KeyOf_NotRead_Digest()
    {
        Assert.Equal("a", _weights.KeyOf("a"));
        _weights.Add("a", null);
        Assert.Equal("a", _weights.KeyOf("a"));
        _weights.Add("b", "key");
        Assert.Equal(("a", "key"), (_weights.KeyOf("a"), _weights.KeyOf("b")));
    }

    private string Find(params ImmutableArray<CatalogModel> catalog) => string.Join(' ', LookalikeModels.Find(catalog, _weights).Select(m => m.Digest));

    private static CatalogModel Model(string digest, long size) => new($"{digest}:latest", digest, default, default) { Digest = digest, Size = size };
}
