using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public class AccessGuardTests
{
    private readonly DefaultHttpContext _context = new();
    private bool _passed;

    [Fact]
    public async Task Invoke_LocalOriginOverLoopback_AllowedWithCorsHeaders()
    {
        await AskAsync("127.0.0.1:11400", "http://localhost:3000");
        Assert.True(_passed);
        Assert.Equal("http://localhost:3000", _context.Response.Headers.AccessControlAllowOrigin);
        Assert.Equal("Origin", _context.Response.Headers.Vary);
        foreach (var name in (string[])["X-Bridge-Instance", "X-Bridge-Model", "Retry-After", "X-RateLimit-Remaining-Tokens"])
            Assert.Contains(name, _context.Response.Headers.AccessControlExposeHeaders.ToString().Split(','), StringComparer.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("127.0.0.1", "http://evil.example")]
    [InlineData("evil.example", null)]
    [InlineData("evil.example", "http://evil.example")] // DNS rebinding: same origin, foreign name
    [InlineData("127.0.0.1", "evil://127.0.0.1")]
    [InlineData("127.0.0.1", "null")]
    [InlineData("ll", "null")]
    [InlineData("127.0.0.1", "x")]
    public async Task Invoke_Foreign_403WithReason(string host, string? origin)
    {
        await AskAsync(host, origin);
        Assert.False(_passed);
        Assert.Equal(403, _context.Response.StatusCode);
        Assert.NotEqual(0, _context.Response.ContentLength);
        Assert.Equal(0, _context.Response.Headers.AccessControlAllowOrigin.Count);
    }

    [Theory]
    [InlineData("127.0.0.1:11400", "http://127.0.0.1:11400")]
    [InlineData("127.0.0.1:11400", "https://127.0.0.1:11400")]
    [InlineData("127.0.0.1:11400", "")]
    [InlineData("127.0.0.1:11400", null)]
    public async Task Invoke_SameOriginOrNone_AllowedWithoutCorsHeaders(string host, string? origin)
    {
        await AskAsync(host, origin);
        Assert.True(_passed);
        Assert.Equal(0, _context.Response.Headers.AccessControlAllowOrigin.Count);
    }

    [Fact]
    public async Task Invoke_ForeignNameOverNetwork_Allowed()
    {
        await AskAsync("bridge.example", null, local: "10.0.0.5");
        Assert.True(_passed);
    }

    [Fact]
    public async Task Invoke_Preflight_HandledByBridge()
    {
        _context.Request.Method = "OPTIONS";
        await AskAsync("127.0.0.1", "http://localhost:3000");
        Assert.False(_passed);
        Assert.Equal(204, _context.Response.StatusCode);
        Assert.Contains("Authorization", _context.Response.Headers.AccessControlAllowHeaders.ToString(), StringComparison.Ordinal);
        foreach (var name in (string[])["traceparent", "X-Bridge-Priority", "X-Bridge-Deadline", "X-Bridge-Progress", "X-Bridge-Continuation", "Content-Type", "X-Api-Key"])
            Assert.Contains(name, _context.Response.Headers.AccessControlAllowHeaders.ToString().Split(','));
        Assert.Contains("DELETE", _context.Response.Headers.AccessControlAllowMethods.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x-bridge-priority")]
    [InlineData("traceparent,X-Title")]
    [InlineData("a-header-of-tomorrow")]
    public async Task Invoke_PreflightForFurtherHeaders_Allowed(string headers)
    {
        _context.Request.Method = "OPTIONS";
        _context.Request.Headers.AccessControlRequestHeaders = headers;
        await AskAsync("127.0.0.1", "http://localhost:3000");
        var allowed = _context.Response.Headers.AccessControlAllowHeaders.ToString().Split(',');
        Assert.Contains("Authorization", allowed);
        Assert.All(headers.Split(','), h => Assert.Contains(h, allowed));
    }

    [Theory]
    [InlineData("Authorization, content-type")]
    [InlineData("bad name")]
    [InlineData("")]
    public async Task Invoke_PreflightWithoutFurtherHeaders_OllamasList(string headers)
    {
        _context.Request.Method = "OPTIONS";
        _context.Request.Headers.AccessControlRequestHeaders = headers;
        await AskAsync("127.0.0.1", "http://localhost:3000");
        Assert.EndsWith(",Anthropic-Dangerous-Direct-Browser-Access", _context.Response.Headers.AccessControlAllowHeaders.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invoke_PreflightFromPublicPage_PrivateNetworkAllowed()
    {
        _context.Request.Method = "OPTIONS";
        _context.Request.Headers["Access-Control-Request-Private-Network"] = "true";
        await AskAsync("127.0.0.1", "http://localhost:3000");
        Assert.Equal("true", _context.Response.Headers["Access-Control-Allow-Private-Network"]);
    }

    [Fact]
    public async Task Invoke_AllowedOrigin_MayReadTheBridgesHeaders()
    {
        await AskAsync("127.0.0.1:11400", "http://localhost:3000");
        var exposed = _context.Response.Headers.AccessControlExposeHeaders.ToString().Split(',');
        Assert.All(new[] { "X-Bridge-Instance", "Retry-After", "x-ratelimit-remaining-tokens" }, h => Assert.Contains(h, exposed));
    }

    [Theory]
    [InlineData("chat.example", "X-Forwarded-For", true)] // nginx: proxy_set_header Host $host
    [InlineData("chat.example:8443", "Forwarded", true)]
    [InlineData("chat.example", "X-Real-IP", true)]
    [InlineData("chat.example", null, false)] // as in Ollama
    [InlineData("evil.example:11400", "X-Forwarded-For", false)] // a page that rebound its name uses the bridge's port
    public async Task Invoke_ForeignHostOnLoopback_AllowedIfProxied(string host, string? header, bool passes)
    {
        if (header is not null)
            _context.Request.Headers[header] = "203.0.113.7";
        _context.Connection.RemoteIpAddress = IPAddress.Loopback;
        await AskAsync(host, null);
        Assert.Equal(passes, _passed);
        Assert.False(passes && Caller.IsLocal(_context));
    }

    [Fact]
    public async Task Invoke_ForeignHostOnPort80_Refused()
    {
        _context.Request.Headers["X-Forwarded-For"] = "203.0.113.7";
        await AskAsync("evil.example", null, port: 80);
        Assert.False(_passed);
    }

    private Task AskAsync(string host, string? origin, string local = "127.0.0.1", int port = 11400)
    {
        _context.Connection.LocalPort = port;
        _context.Request.Host = new HostString(host);
        if (origin is not null)
            _context.Request.Headers["Origin"] = origin;
        _context.Connection.LocalIpAddress = IPAddress.Parse(local);
        return new AccessStage(Options.Create(new AccessOptions())).InvokeAsync(_context, _ =>
        {
            _passed = true;
            return Task.CompletedTask;
        });
    }
}
