using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public sealed class ModelPatternTests
{
    [Theory]
    [InlineData("lab/*", "lab/model", true)]
    [InlineData("lab/*", "Lab/Model:8b", true)]
    [InlineData("lab/*", "registry.ollama.ai/lab/model", true)]
    [InlineData("lab/*", "lab.example/ns/model", false)]
    [InlineData("lab/*", "lab/ns/model", false)] // a host without a dot
    [InlineData("lab/*", "lab:5000/ns/model", false)]
    [InlineData("lab/*", "https://lab/ns/model", false)]
    [InlineData("lab*", "lab.example/ns/model", false)]
    [InlineData("lab*", "labs/model", false)]
    [InlineData("lab*", "labrador:7b", true)]
    [InlineData("deepseek-r1:*", "deepseek-r1:7b", true)]
    [InlineData("deepseek-r1:*", "deepseek-r1:7/ns/model", false)]
    [InlineData("library/*", "qwen3:8b", true)]
    [InlineData("library/qwen*", "qwen3:8b", true)]
    [InlineData("library/*", "other/qwen3:8b", false)]
    [InlineData("registry.ollama.ai/library/qwen*", "qwen3:8b", true)]
    [InlineData("registry.ollama.ai/lab/*", "lab/model", true)]
    [InlineData("registry.ollama.ai/*", "lab/model", true)]
    [InlineData("registry.ollama.ai/*", "hf.co/lab/model", false)]
    [InlineData("hf.co/*", "hf.co/lab/model:q4_k_m", true)]
    [InlineData("hf.co/lab/*", "hf.co/lab/model", true)]
    [InlineData("hf.co/lab/*", "hf.co/labs/model", false)]
    [InlineData("hf.co/*", "hf.co.example/lab/model", false)]
    [InlineData("host/space/*", "host/space/model", true)]
    [InlineData("*", "hf.co/lab/model", true)]
    [InlineData("*", "qwen3:8b", true)]
    public void Allows_Pattern_OnlyItsNamespaceAndRegistry(string pattern, string written, bool expected)
    {
        var reference = ModelReference.Resolve(written);
        Assert.Equal(expected, reference.IsResolved && new ModelAccess([pattern]).Allows(reference.Key));
    }

    [Fact]
    public void RegistryOf_CanonicalNames_Hosts() => Assert.Equal(
        ["registry.ollama.ai", "registry.ollama.ai", "hf.co", "10.0.0.1:5000"],
        new[] { "qwen3", "lab/qwen3", "hf.co/lab/qwen3", "http://10.0.0.1:5000/lab/qwen3" }.Select(n => ModelName.RegistryOf(ModelReference.Resolve(n).Key)));
}
