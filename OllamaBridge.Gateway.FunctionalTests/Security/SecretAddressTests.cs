using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Addresses with passwords are refused everywhere, and the password is not repeated.</summary>
public sealed class SecretAddressTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Bridge:Urls", "http://user:hidden@127.0.0.1:1", "Bridge:Urls")]
    [InlineData("Bridge:Urls", "user:hidden@127.0.0.1:1", "Bridge:Urls")]
    [InlineData("Bridge:Instances:0:Url", "https://hidden@127.0.0.1:1", "Bridge:Instances:0:Url")]
    [InlineData("Bridge:Instances:0:Url", "http://127.0.0.1:1/?key=hidden", "Bridge:Instances:0:Url")]
    [InlineData("Bridge:Instances:0:Url", "http://user:hidden@ bad host", "Bridge:Instances:0:Url")]
    [InlineData("Bridge:Regions:Peers:0:Url", "https://user:hidden@b.example", "Bridge:Regions:Peers:0:Url")]
    [InlineData("Bridge:Tiers:cold:Url", "http://user:hidden@127.0.0.1:1/scale", "Bridge:Tiers:cold:Url")]
    [InlineData("Bridge:Gpu:Exporters:x", "http://user:hidden@127.0.0.1:9400/metrics", "Bridge:Gpu:Exporters:x")]
    [InlineData("Bridge:Admin:Urls", "http://user:hidden@127.0.0.1:11401", "Bridge:Admin:Urls")]
    [InlineData("Bridge:Access:Origins:0", "https://user:hidden@chat.example", "Bridge:Access:Origins:0")]
    [InlineData("Bridge:Access:Hosts:0", "user:hidden@chat.example", "Bridge:Access:Hosts:0")]
    [InlineData("services:gpu:http:0", "http://user:hidden@127.0.0.1:1", "services:gpu")]
    [InlineData("Bridge:State:ConnectionString", "redis://user:hidden@127.0.0.1:6379", "Bridge:State:ConnectionString")]
    [InlineData("ConnectionStrings:state", "rediss://:hidden@127.0.0.1:6379/0", "ConnectionStrings:state")]
    public async Task Start_SecretInAddress_RefusedWithKeyAndWithoutSecret(string key, string value, string expected)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        (string, string)[] settings =
        [
            (key, value), .. key.StartsWith("services", StringComparison.Ordinal) ? [("Bridge:Instances:1:Url", "http://gpu")] : Array.Empty<(string, string)>(),
            .. key.StartsWith("Bridge:Regions", StringComparison.Ordinal) ? [("Bridge:Regions:Self", "a"), ("Bridge:Regions:Peers:0:Name", "b")] : Array.Empty<(string, string)>(),
            .. key.StartsWith("Bridge:Tiers", StringComparison.Ordinal) ? [("Bridge:Tiers:cold:Activator", "Http"), ("Bridge:Tiers:cold:Models:0", "m")] : Array.Empty<(string, string)>(),
        ];
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(key == "Bridge:Instances:0:Url" ? [] : fleet.Servers, settings));
        Assert.Contains(expected, e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://user:hidden@127.0.0.1:1")]
    [InlineData("hidden@127.0.0.1:1")]
    [InlineData("http://127.0.0.1:1/?token=hidden")]
    public async Task AddInstance_SecretInAddress_400WithoutSecret(string url)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.PostAsync("/bridge/instances", new { url }, Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.DoesNotContain("hidden", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", await bridge.Client.GetStringAsync("/bridge/audit", Token), StringComparison.Ordinal);
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("hidden", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_SecretInAddress_IgnoredWithoutRepeatingSecret()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Configuration.Change(data => data["Bridge:Instances:1:Url"] = "http://user:hidden@127.0.0.1:1");
        await Eventually.BecomesAsync(
            () => bridge.Logs.Lines.Any(l => l.StartsWith("Error ", StringComparison.Ordinal) && l.Contains("Bridge:Instances:1:Url", StringComparison.Ordinal)), TimeSpan.FromSeconds(10));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("hidden", StringComparison.Ordinal));
        Assert.Single(bridge.Fleet.Current.Instances);
    }
}
