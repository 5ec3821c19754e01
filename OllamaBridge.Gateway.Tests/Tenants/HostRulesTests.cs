using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public class HostRulesTests
{
    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData("LOCALHOST:11400")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:11400")]
    [InlineData("127.1.2.3")]
    [InlineData("0.0.0.0:11400")]
    [InlineData("[::1]:11400")]
    [InlineData("[::1]")]
    [InlineData("[::]")]
    [InlineData("[::ffff:127.0.0.1]:80")]
    [InlineData("[fd00::5]:11400")]
    [InlineData("10.1.2.3")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.1.20:11400")]
    [InlineData("box")] // the machine's own name
    [InlineData("BOX:11400")]
    [InlineData("app.localhost")]
    [InlineData("printer.local:80")]
    [InlineData("host.docker.internal:11400")]
    [InlineData("bridge.example")] // added by the operator
    public void IsAllowed_Local_True(string host) => Assert.True(IsAllowed(host));

    [Theory]
    [InlineData("evil.example")] // recording 04-err-bad-host-header
    [InlineData("evil.example:11400")]
    [InlineData("localhost.evil.example")]
    [InlineData("127.0.0.1.evil.example")]
    [InlineData("192.168.1.1.evil.example")]
    [InlineData("evillocalhost")]
    [InlineData("evil-local")]
    [InlineData("local.evil")]
    [InlineData("internal")]
    [InlineData("8.8.8.8")]
    [InlineData("172.15.0.1")]
    [InlineData("172.32.0.1")]
    [InlineData("192.169.0.1")]
    [InlineData("11.0.0.1")]
    [InlineData("[2001:db8::1]:11400")]
    [InlineData("[::ffff:8.8.8.8]")]
    [InlineData("sub.bridge.example")]
    [InlineData("box.evil.example")]
    [InlineData("localhost@evil.example")]
    public void IsAllowed_Foreign_False(string host) => Assert.False(IsAllowed(host));

    [Fact]
    public void IsAllowed_Star_True() => Assert.True(HostRules.IsAllowed(new HostString("evil.example"), "box", ["*"]));

    private static bool IsAllowed(string host) => HostRules.IsAllowed(new HostString(host), "box", ["bridge.example"]);
}
