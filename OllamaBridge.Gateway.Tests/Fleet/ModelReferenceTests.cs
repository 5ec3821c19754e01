using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class ModelReferenceTests
{
    [Theory]
    [InlineData("x:7b", "x:7b", "None")]
    [InlineData(" x:7b", "x:7b", "None")]
    [InlineData("x:7b\t\r\n", "x:7b", "None")]
    [InlineData("\u00a0\u2003X:7B\u3000", "x:7b", "None")]
    [InlineData("x:7b:local", "x:7b", "Local")]
    [InlineData("x:7b:LOCAL", "x:7b", "Local")]
    [InlineData("x:7b: local ", "x:7b", "Local")]
    [InlineData("x:local", "x:latest", "Local")]
    [InlineData("registry.ollama.ai/library/x:7b:Local", "x:7b", "Local")]
    [InlineData("127.0.0.1:80/me/x:local", "127.0.0.1:80/me/x:latest", "Local")]
    [InlineData("x:cloud", "x:cloud", "Cloud")]
    [InlineData("x:20b:cloud", "x:20b-cloud", "Cloud")]
    [InlineData("x:20b-CLOUD", "x:20b-cloud", "Cloud")]
    [InlineData("x: 20b-cloud", "x:20b-cloud", "Cloud")]
    [InlineData("x:latest:cloud", "x:latest-cloud", "Cloud")]
    [InlineData("x-cloud", "x-cloud:latest", "None")]
    [InlineData("x:cloudy", "x:cloudy", "None")]
    public void Resolve_Name_KeyAndSource(string written, string key, string suffix)
    {
        var reference = ModelReference.Resolve(written);
        Assert.Equal(ModelNameFault.None, reference.Fault);
        Assert.Equal(key, reference.Key);
        Assert.Equal(suffix, reference.Suffix.ToString());
    }

    [Theory]
    [InlineData("", "Missing")]
    [InlineData(" \n", "Missing")]
    [InlineData("x:local:cloud", "Conflicting")]
    [InlineData("x:7b-cloud:local", "Conflicting")]
    [InlineData("x:cloud-cloud", "Invalid")]
    [InlineData("x:cloud:7b-cloud", "Invalid")]
    [InlineData("x :local", "Invalid")]
    [InlineData(":local", "Invalid")]
    [InlineData("x:-cloud", "Invalid")]
    [InlineData("x:7b:", "Invalid")]
    [InlineData("x:7b:8b", "Invalid")]
    [InlineData("x y", "Invalid")]
    public void Resolve_NoName_Fault(string written, string fault)
    {
        var reference = ModelReference.Resolve(written);
        // "x:cloud-cloud" leaves "x:cloud", which has a suffix again.
        Assert.Equal(written == "x:cloud-cloud" ? "Conflicting" : fault, reference.Fault.ToString());
        Assert.Equal("", reference.Key);
    }

    [Fact]
    public void Resolve_Verbatim_NotTrimmed()
    {
        Assert.False(ModelReference.Resolve(" x", ModelNaming.Verbatim).IsResolved);
        Assert.False(ModelReference.Resolve("x:7b:local", ModelNaming.Verbatim).IsResolved);
        Assert.Equal("x:local", ModelReference.Resolve("x:local", ModelNaming.Verbatim).Key);
    }

    [Fact]
    public void Resolve_AnyText_AsInOllama() => Prop.ForAll(ModelNameGenerator.Names.ToArbitrary(), text =>
    {
        var oracle = GoModelName.Resolve(text);
        var reference = ModelReference.Resolve(text);
        Assert.Equal(oracle is not null, reference.IsResolved);
        if (oracle is not { } expected)
            return true;
        Assert.Equal(expected.Source, reference.Suffix == ModelSourceSuffix.None ? "" : reference.Suffix.ToString().ToLowerInvariant());
        if (expected.Source != "cloud")
            Assert.Equal(expected.Name, GoModelName.ParseName(reference.Key));
        return true;
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000).WithQuietOnSuccess(true));

    [Fact]
    public void Resolve_AnyTextForPull_AsInOllama() => Prop.ForAll(ModelNameGenerator.Names.ToArbitrary(), text =>
    {
        var reference = ModelReference.Resolve(text, ModelNaming.Pull);
        Assert.Equal(GoModelName.ResolveForPull(text), reference.IsResolved ? GoModelName.ParseName(reference.Key) : null);
        return true;
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000).WithQuietOnSuccess(true));

    [Fact]
    public void Allows_AnyText_AsForResolvedName()
    {
        var access = new ModelAccess(["qwen3:8b", "me/x", "lab/*"]);
        Prop.ForAll(ModelNameGenerator.Names.ToArbitrary(), text =>
        {
            var reference = ModelReference.Resolve(text);
            var oracle = GoModelName.Resolve(text) is { Source: not "cloud" } resolved
                && (resolved.Name is "registry.ollama.ai/library/qwen3:8b" or "registry.ollama.ai/me/x:latest"
                    // The namespace "lab", not a registry of that name.
                    || resolved.Name.StartsWith("registry.ollama.ai/lab/", StringComparison.Ordinal));
            var decision = reference is { IsResolved: true, Suffix: not ModelSourceSuffix.Cloud } && access.Allows(reference.Key);
            Assert.Equal(oracle, decision);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000).WithQuietOnSuccess(true));
    }
}
