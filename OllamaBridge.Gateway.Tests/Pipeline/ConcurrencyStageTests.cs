using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class ConcurrencyStageTests : IDisposable
{
    private readonly TestMeters _meters = new();
    private readonly ConcurrencyStage _stage;
    private readonly TaskCompletionSource _end = new();

    public ConcurrencyStageTests() => _stage = new ConcurrencyStage(new QuotaMetrics(_meters));

    public void Dispose() => _meters.Dispose();

    [Fact]
    public async Task Invoke_LimitReached_429UntilARequestEnds()
    {
        var running = RunAsync(Limited("team", 1));

        var second = Limited("team", 1);
        second.Request.ContentLength = 10;
        Assert.False(await StageContext.PassesAsync(_stage, second));
        Assert.Equal((429, "close", "1"), (second.Response.StatusCode, second.Response.Headers.Connection.ToString(), second.Response.Headers.RetryAfter.ToString()));
        Assert.Contains("1 requests at a time", StageContext.Sent(second), StringComparison.Ordinal);

        _end.SetResult();
        await running;
        Assert.True(await StageContext.PassesAsync(_stage, Limited("team", 1)));
    }

    [Fact]
    public async Task Invoke_LimitReachedWithoutBody_KeepsConnection()
    {
        var running = RunAsync(Limited("team", 1));
        var second = Limited("team", 1);
        second.Request.ContentLength = 0;
        Assert.False(await StageContext.PassesAsync(_stage, second));
        Assert.False(second.Response.Headers.ContainsKey("Connection"));
        _end.SetResult();
        await running;
    }

    [Fact]
    public async Task Invoke_RequestFails_ItsPlaceIsFree()
    {
        await Assert.ThrowsAsync<IOException>(() => _stage.InvokeAsync(Limited("team", 1), _ => throw new IOException()));
        Assert.True(await StageContext.PassesAsync(_stage, Limited("team", 1)));
    }

    [Fact]
    public async Task Invoke_OtherTenant_Passes()
    {
        var running = RunAsync(Limited("team", 1));
        Assert.True(await StageContext.PassesAsync(_stage, Limited("other", 1)));
        _end.SetResult();
        await running;
    }

    [Theory]
    [InlineData("/api/pull", 1)] // a management request takes no memory for its body
    [InlineData("/api/chat", null)]
    public async Task Invoke_NotLimited_Passes(string path, int? limit)
    {
        var running = RunAsync(Limited("team", limit, path));
        Assert.True(await StageContext.PassesAsync(_stage, Limited("team", limit, path)));
        _end.SetResult();
        await running;
    }

    private static DefaultHttpContext Limited(string tenant, int? limit, string path = "/api/chat") =>
        StageContext.Create(path, new Tenant { Id = tenant, Limits = new TenantLimits { ConcurrentRequests = limit } });

    private Task RunAsync(HttpContext context) => _stage.InvokeAsync(context, _ => _end.Task);
}
