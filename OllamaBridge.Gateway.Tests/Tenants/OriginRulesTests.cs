using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public class OriginRulesTests
{
    [Theory]
    [InlineData("http://localhost")]
    [InlineData("https://localhost")]
    [InlineData("http://localhost:3000")] // recording 04-cors-origin-ok
    [InlineData("HTTP://LOCALHOST:3000")]
    [InlineData("http://127.0.0.1:8080")]
    [InlineData("https://0.0.0.0")]
    [InlineData("app://obsidian.md")]
    [InlineData("file://")]
    [InlineData("tauri://localhost")]
    [InlineData("vscode-webview://abc")]
    [InlineData("vscode-file://vscode-app")]
    public void IsAllowed_OllamasOwn_True(string origin) => Assert.True(OriginRules.IsAllowed(origin, []));

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("http://evil.example")] // recording 04-err-bad-origin
    [InlineData("http://localhost.evil.example")]
    [InlineData("http://127.0.0.1.evil.example")]
    [InlineData("http://localhost@evil.example")]
    [InlineData("http://localhost:80.evil")]
    [InlineData("http://localhost:80@evil")]
    [InlineData("http://localhost:")]
    [InlineData("http://localhost:80/")]
    [InlineData("http://evil.example/localhost")]
    [InlineData("http://localhosts")]
    [InlineData("ftp://localhost")]
    [InlineData("localhost")]
    [InlineData("http://app://x")]
    [InlineData("http://192.168.1.1")]
    [InlineData("http://[::1]:3000")]
    public void IsAllowed_Foreign_False(string origin) => Assert.False(OriginRules.IsAllowed(origin, []));

    [Theory]
    [InlineData("https://chat.example", "https://chat.example", true)]
    [InlineData("https://chat.example", "https://CHAT.example", true)]
    [InlineData("https://chat.example", "http://chat.example", false)]
    [InlineData("https://chat.example", "https://chat.example.evil", false)]
    [InlineData("https://chat.example", "https://chat.example:444", false)]
    [InlineData("https://*.example", "https://a.b.example", true)]
    [InlineData("https://*.example", "https://.example", true)]
    [InlineData("https://*.example", "https://example", false)]
    [InlineData("https://*.example", "http://a.example", false)]
    [InlineData("ab*ba", "aba", false)] // prefix and suffix must not overlap
    [InlineData("https://chat.example:*", "https://chat.example:8443", true)]
    [InlineData("*", "anything", true)]
    public void IsAllowed_AddedByOperator_AsWritten(string pattern, string origin, bool allowed) =>
        Assert.Equal(allowed, OriginRules.IsAllowed(origin, [pattern]));
}
