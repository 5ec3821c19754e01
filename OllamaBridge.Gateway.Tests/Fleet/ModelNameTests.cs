using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class ModelNameTests
{
    [Theory]
    [InlineData("x", "x:latest")]
    [InlineData("X", "x:latest")]
    [InlineData("x:latest", "x:latest")]
    [InlineData("x:LATEST", "x:latest")]
    [InlineData("library/x", "x:latest")]
    [InlineData("Library/X:Latest", "x:latest")]
    [InlineData("registry.ollama.ai/library/x:latest", "x:latest")]
    [InlineData("REGISTRY.ollama.ai/library/x", "x:latest")]
    [InlineData("https://registry.ollama.ai/library/x", "x:latest")]
    [InlineData("http://registry.ollama.ai/library/x:latest", "x:latest")]
    [InlineData("x:7b-q4_K_M", "x:7b-q4_k_m")]
    [InlineData("me/x", "me/x:latest")]
    [InlineData("registry.ollama.ai/me/x:1", "me/x:1")]
    [InlineData("127.0.0.1:21500/library/tiny:latest", "127.0.0.1:21500/library/tiny:latest")]
    [InlineData("127.0.0.1:21500/library/tiny", "127.0.0.1:21500/library/tiny:latest")]
    [InlineData("http://127.0.0.1:21500/library/tiny", "127.0.0.1:21500/library/tiny:latest")]
    [InlineData("hf.co/Some_One/Qwen2.5-0.5B.GGUF:Q4", "hf.co/some_one/qwen2.5-0.5b.gguf:q4")]
    [InlineData("llama3.2", "llama3.2:latest")]
    [InlineData("_x", "_x:latest")]
    [InlineData("http:///library/x", "x:latest")] // no host: Ollama's default
    [InlineData(":///me/x:1", "me/x:1")]
    public void TryGetKey_Valid_Canonical(string name, string expected)
    {
        Assert.True(ModelName.TryGetKey(name, out var key));
        Assert.Equal(expected, key);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("a b/../c")] // recording 04-err-generate-model-invalid-name
    [InlineData("x ")]
    [InlineData("x:")]
    [InlineData(":x")]
    [InlineData("/x")]
    [InlineData("x/")]
    [InlineData("a//x")]
    [InlineData("../x")]
    [InlineData("a/b/c/x")]
    [InlineData("-x")]
    [InlineData(".x")]
    [InlineData("x:-1")]
    [InlineData("x:1:2")]
    [InlineData("n.s/x")]
    [InlineData("x@sha256:aa")]
    [InlineData("modèle")]
    [InlineData("x\n")]
    [InlineData("x\0")]
    [InlineData("http://x")] // a scheme needs a host
    [InlineData("https://me/x")]
    [InlineData("http://http://registry.ollama.ai/library/x")]
    public void TryGetKey_Invalid_False(string name)
    {
        Assert.False(ModelName.TryGetKey(name, out var key));
        Assert.Equal("", key);
    }

    [Theory]
    [InlineData(80, true)]
    [InlineData(81, false)]
    public void TryGetKey_LongParts_LimitedTo80(int length, bool valid)
    {
        var part = new string('a', length);
        Assert.Equal(valid, ModelName.TryGetKey(part, out _));
        Assert.Equal(valid, ModelName.TryGetKey($"x:{part}", out _));
        Assert.Equal(valid, ModelName.TryGetKey($"{part}/x", out _));
    }

    [Theory]
    [InlineData(350, true)]
    [InlineData(351, false)]
    public void TryGetKey_LongHost_LimitedTo350(int length, bool valid) =>
        Assert.Equal(valid, ModelName.TryGetKey($"{new string('h', length)}/library/x", out _));

    [Fact]
    public void TryGetKey_Key_Unchanged()
    {
        var part = Gen.Elements("x", "X", "library", "me", "latest", "registry.ollama.ai", "127.0.0.1:80", "a.b", "-", "", "_", "é", "hf.co");
        var separator = Gen.Elements("/", ":", "://", "", " ");
        var names = part.ListOf(4).Zip(separator.ListOf(4)).Select(p => string.Concat(p.Item1.Zip(p.Item2, (a, b) => a + b)).TrimEnd('/', ':', ' '));
        Prop.ForAll(names.ToArbitrary(), name =>
            !ModelName.TryGetKey(name, out var key) || (ModelName.TryGetKey(key, out var again) && again == key)).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Fact]
    public void TryGetKey_AnyText_NeverThrows() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text => ModelName.TryGetKey(text, out var key) || key.Length == 0).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Theory]
    [InlineData("nope", "nope:latest")]
    [InlineData("nope:1", "nope:1")]
    [InlineData("127.0.0.1:80/library/x", "127.0.0.1:80/library/x:latest")]
    public void WithTag_AnyName_AddsMissingTagOnly(string name, string expected) => Assert.Equal(expected, ModelName.WithTag(name));

    [Theory]
    [InlineData("tiny:latest", "library")]
    [InlineData("me/tiny:latest", "me")]
    [InlineData("127.0.0.1:80/me/tiny", "me")]
    public void Owner_IsTheNamespace(string name, string owner) => Assert.Equal(owner, ModelName.Owner(name));
}
