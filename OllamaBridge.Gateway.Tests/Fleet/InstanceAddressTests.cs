using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class InstanceAddressTests
{
    [Theory]
    [InlineData("http://0.0.0.0:11434", "http://127.0.0.1:11434/")]
    [InlineData("https://0.0.0.0:8443/gpu", "https://127.0.0.1:8443/gpu")]
    [InlineData("http://[::]:11434", "http://[::1]:11434/")]
    [InlineData("http://10.0.0.5:11434", "http://10.0.0.5:11434/")]
    [InlineData("http://gpu.lan:11434", "http://gpu.lan:11434/")]
    public void Connectable_UnspecifiedAddress_ThisMachine(string url, string expected) =>
        Assert.Equal(expected, InstanceAddress.Connectable(new Uri(url)).AbsoluteUri);

    [Theory]
    [InlineData("http://127.0.0.1:1", "http://localhost:1", true)]
    [InlineData("http://localhost:1", "http://127.0.0.1:1/", true)]
    [InlineData("http://LOCALHOST.:1", "http://[::1]:1", true)]
    [InlineData("http://[::ffff:127.0.0.1]:1", "http://127.0.0.1:1", true)]
    [InlineData("http://[0:0:0:0:0:0:0:1]:1", "http://[::1]:1", true)]
    [InlineData("http://GPU.lan:1/a", "http://gpu.lan.:1/a/", true)]
    [InlineData("http://gpu.lan", "http://gpu.lan:80", true)]
    [InlineData("http://127.0.0.1:1", "http://127.0.0.2:1", false)]
    [InlineData("http://127.0.0.1:1", "http://127.0.0.1:2", false)]
    [InlineData("http://127.0.0.1:1", "https://127.0.0.1:1", false)]
    [InlineData("http://gpu.lan:1/a", "http://gpu.lan:1/b", false)]
    [InlineData("http://gpu.lan:1/a", "http://gpu.lan:1/A", false)]
    [InlineData("http://[::1]:1", "http://127.0.0.1:1", false)] // IPv4 and IPv6 loopback may have different servers
    public void IsSameServer_Spellings_BothWays(string a, string b, bool expected)
    {
        Assert.Equal(expected, InstanceAddress.IsSameServer(Definition(a, false), new Uri(b), false));
        Assert.Equal(expected, InstanceAddress.IsSameServer(Definition(b, false), new Uri(a), false));
    }

    [Fact]
    public void IsSameServer_OpenAIWithAndWithoutV1_Same()
    {
        Assert.True(InstanceAddress.IsSameServer(Definition("http://h:1/v1", true), new Uri("http://h:1"), true));
        Assert.False(InstanceAddress.IsSameServer(Definition("http://h:1/v1", true), new Uri("http://h:1"), false));
    }

    [Theory]
    [InlineData("http://h:1", false, "http://h:1")]
    [InlineData("http://h:1/gpu1/", false, "http://h:1/gpu1")]
    [InlineData("http://h:1/v1", false, "http://h:1/v1")]
    [InlineData("http://h:1/v1", true, "http://h:1")]
    [InlineData("http://h:1/V1/", true, "http://h:1")]
    [InlineData("https://h/openai/v1", true, "https://h/openai")]
    [InlineData("https://h/apiv1", true, "https://h/apiv1")]
    public void Prefix_OpenAI_WithoutV1(string url, bool isOpenAI, string expected)
    {
        Assert.Equal(expected, InstanceAddress.Prefix(new Uri(url), isOpenAI));
        Assert.Equal(expected, new Instance(Definition(url, isOpenAI)).Prefix);
    }

    [Theory]
    [InlineData("http://me:secret-pw@h:1")]
    [InlineData("me:secret-pw@h:1")]
    [InlineData("http://secret-pw@h")]
    public void Read_PasswordInTheAddress_NotRepeated(string url)
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(new FleetOptions { Instances = [new InstanceOptions { Url = url }], Urls = url }, errors);
        Assert.Equal(2, errors.Count);
        Assert.All(errors, e => Assert.DoesNotContain("secret-pw", e, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_OneServerInTwoSpellings_Twice()
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(new FleetOptions { Urls = "http://127.0.0.1:11434,0.0.0.0:11434,localhost:11434" }, errors);
        Assert.Equal(2, errors.Count(e => e.Contains("is there twice", StringComparison.Ordinal)));
    }

    private static InstanceDefinition Definition(string url, bool isOpenAI) =>
        new("x", new Uri(url), 1, 0) { OpenAI = isOpenAI ? new OpenAIService([], ApiRoutes.None) : null };
}
