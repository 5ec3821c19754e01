using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Tests.Identity;

public class AccessGuardTests
{
    private readonly DefaultHttpContext _context = new();
    private bool _passed;

    [Fact]
    public async Task Invoke_LocalOriginOverLoopback_PassesWithCorsHeaders()
    {
        await AskAsync("127.0.0.1:11400", "http://localhost:3000");
        Assert.True(_passed);
        Assert.Equal("http://localhost:3000", _context.Response.Headers.AccessControlAllowOrigin);
        Assert.Equal("Origin", _context.Response.Headers.Vary);
        foreach (var name in (string[])["X-Bridge-Instance", "X-Bridge-Model", "Retry-After", "X-RateLimit-Remaining-Tokens"])
            Assert.Contains(name, _context.Response.Headers.AccessControlExposeHeaders.ToString().Split(','));
    }

    [Theory]
    [InlineData("127.0.0.1", "http://evil.example")]
    [InlineData("evil.example", null)]
    [InlineData("evil.example", "http://evil.example")] // DNS rebinding: same origin, foreign name
    [InlineData("127.0.0.1", "evil://127.0.0.1")]
    [InlineData("127.0.0.1", "null")]
    [InlineData("ll", "null")]
    [InlineData("127.0.0.1", "x")]
    public async Task Invoke_Foreign_403InWords(string host, string? origin)
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
    public async Task Invoke_SameOriginOrNone_PassesWithoutCorsHeaders(string host, string? origin)
    {
        await AskAsync(host, origin);
        Assert.True(_passed);
        Assert.Equal(0, _context.Response.Headers.AccessControlAllowOrigin.Count);
    }

    [Fact]
    public async Task Invoke_ForeignNameOverTheNetwork_Passes()
    {
        await AskAsync("bridge.example", null, local: "10.0.0.5");
        Assert.True(_passed);
    }

    [Fact]
    public async Task Invoke_Preflight_AnsweredHere()
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

    private Task AskAsync(string host, string? origin, string local = "127.0.0.1")
    {
        _context.Request.Host = new HostString(host);
        if (origin is not null)
            _context.Request.Headers["Origin"] = origin;
        _context.Connection.LocalIpAddress = IPAddress.Parse(local);
        return new AccessGuard(Options.Create(new AccessOptions())).InvokeAsync(_context, _ =>
        {
            _passed = true;
            return Task.CompletedTask;
        });
    }
}
