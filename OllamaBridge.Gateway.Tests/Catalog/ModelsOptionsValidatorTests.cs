using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;

namespace OllamaBridge.Gateway.Tests.Catalog;

public class ModelsOptionsValidatorTests
{
    [Fact]
    public void Validate_AliasesAndFallbacks_Valid()
    {
        Assert.Empty(Validate(
            new() { Name = "gpt-4", Target = "deepseek-r1:70b", Fallbacks = ["deepseek-r1:7b", "fast"] },
            new() { Name = "fast", Target = "Org/Model.v1" },
            // Two models may be each other's fallback: the bridge does not follow the fallbacks of a fallback.
            new() { Name = "a", Fallbacks = ["b"] },
            new() { Name = "b", Fallbacks = ["a"] }));
    }

    [Theory]
    [InlineData("", "x", "", ":Name")]
    [InlineData(" ", "x", "", ":Name")]
    [InlineData("a", "", "", ":Fallbacks")]
    [InlineData("a", "x\u0007", "", ":Target")]
    [InlineData("a", "A:latest", "", ":Target")] // itself
    [InlineData("a", "alias", "", ":Target")] // an alias of an alias
    [InlineData("a", "", "b\u0007c", ":Fallbacks:0")]
    [InlineData("a", "", "b,a", ":Fallbacks:1")] // back to itself
    [InlineData("a", "x", "b,x", ":Fallbacks:1")] // back to its target
    [InlineData("a", "", "b,B:latest", ":Fallbacks:1")] // twice
    [InlineData("a", "real", "alias", ":Fallbacks:0")] // back through an alias
    [InlineData("alias", "x", "", ":Name")] // named twice
    public void Validate_Mistake_NamesItsKey(string name, string target, string fallbacks, string where)
    {
        var errors = Validate(
            new() { Name = "alias", Target = "real" },
            new() { Name = name, Target = target, Fallbacks = fallbacks.Split(',', StringSplitOptions.RemoveEmptyEntries) });
        Assert.StartsWith($"Bridge:Models:1{where}: ", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "sha256:0123456789ab", null)]
    [InlineData("", "0123456789AB", null)]
    [InlineData("", "0123", ":Digest")]
    [InlineData("", "no-digest-at-all", ":Digest")]
    [InlineData("x", "0123456789ab", ":Digest")] // digest of an alias
    public void Validate_Digest_HexadecimalAndNotOnAlias(string target, string digest, string? where)
    {
        var errors = Validate(new ModelOptions { Name = "a", Target = target, Digest = digest }).ToList();
        if (where is null)
            Assert.Empty(errors);
        else
            Assert.StartsWith($"Bridge:Models:0{where}: ", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Find_AnySpelling_ChainWithResolvedAliases()
    {
        var options = new ModelsOptions { new() { Name = "GPT-4", Target = "big:70b", Fallbacks = ["fast"] }, new() { Name = "fast", Target = "small:1b" } };
        var chains = new ModelChains(Options.Create(options));

        var chain = chains.Find("gpt-4:latest")!;

        Assert.True(chain.IsAlias);
        Assert.Equal(["big:70b", "small:1b"], chain.Candidates.Select(c => c.Name));
        Assert.Equal(["fast", "GPT-4"], chains.Aliases.Select(a => a.Name));
        Assert.Null(chains.Find("big:70b"));
    }

    private static IEnumerable<string> Validate(params ModelOptions[] models)
    {
        var options = new ModelsOptions();
        options.AddRange(models);
        return new ModelsOptionsValidator().Validate(null, options).Failures ?? [];
    }
}
