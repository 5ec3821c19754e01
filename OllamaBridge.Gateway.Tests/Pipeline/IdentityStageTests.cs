using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class IdentityStageTests
{
    private static readonly (string Key, string Verifier) Inference = Create();
    private static readonly (string Key, string Verifier) Management = Create();

    [Fact]
    public async Task Invoke_NoKeysExist_Anonymous()
    {
        var context = StageContext.Create();
        Assert.True(await StageContext.PassesAsync(await StageAsync(hasKeys: false), context));
        Assert.Equal("anonymous", context.Features.Get<TenantFeature>()!.Tenant.Id);
    }

    [Fact]
    public async Task Invoke_ValidKey_ItsTenant()
    {
        var context = WithKey("/api/chat", Inference.Key);
        Assert.True(await StageContext.PassesAsync(await StageAsync(), context));
        Assert.Equal("users", context.Features.Get<TenantFeature>()!.Tenant.Id);
        Assert.Equal("users", context.Features.Get<CallerIdentity>()!.Tenant.Id);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("sk-other")]
    public async Task Invoke_KeyMissingOrWrong_401(string? key)
    {
        var context = key is null ? StageContext.Create("/v1/chat/completions") : WithKey("/v1/chat/completions", key);
        Assert.False(await StageContext.PassesAsync(await StageAsync(), context));
        Assert.Equal((401, "Bearer"), (context.Response.StatusCode, context.Response.Headers.WWWAuthenticate.ToString()));
        Assert.Contains("authentication_error", StageContext.Sent(context), StringComparison.Ordinal);
        Assert.Null(context.Features.Get<TenantFeature>());
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/api/version")]
    public async Task Invoke_OpenRouteWithoutKey_Passes(string path) =>
        Assert.True(await StageContext.PassesAsync(await StageAsync(), StageContext.Create(path, method: "GET")));

    [Theory]
    [InlineData("/api/version", "GET", true)]
    [InlineData("/api/chat", "POST", false)]
    public async Task Invoke_HostsTenantWithoutScopes_OnlyOpenRoutes(string path, string method, bool expected)
    {
        var context = StageContext.Create(path, method: method);
        context.Features.Set(Tenant.Nobody);
        Assert.Equal(expected, await StageContext.PassesAsync(await StageAsync(hasKeys: false), context));
        Assert.Same(Tenant.Nobody, context.Features.Get<TenantFeature>()!.Tenant);
    }

    [Fact]
    public async Task Invoke_StoreNotRead_503WithRetryAfter()
    {
        var (key, _) = Create();
        var context = WithKey("/api/chat", key);
        Assert.False(await StageContext.PassesAsync(await StageAsync(isRead: false), context));
        Assert.Equal((503, "1"), (context.Response.StatusCode, context.Response.Headers.RetryAfter.ToString()));
    }

    [Theory]
    [InlineData("/api/chat", true, true)]
    [InlineData("/api/pull", true, false)]
    [InlineData("/api/chat", false, false)]
    [InlineData("/api/pull", false, true)]
    public async Task Invoke_Scopes_OnlyTheirOperations(string path, bool isInference, bool expected)
    {
        var context = WithKey(path, isInference ? Inference.Key : Management.Key);
        Assert.Equal(expected, await StageContext.PassesAsync(await StageAsync(), context));
        if (expected)
            return;
        Assert.Equal(403, context.Response.StatusCode);
        Assert.Contains($"lacks the {(isInference ? "Management" : "Inference")} scope", StageContext.Sent(context), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("192.0.2.1", false)]
    public async Task Invoke_ChangeOfModelsWithoutKeys_OnlyFromOwnMachine(string address, bool expected)
    {
        var context = StageContext.Create("/api/pull");
        context.Connection.RemoteIpAddress = IPAddress.Parse(address);
        Assert.Equal(expected, await StageContext.PassesAsync(await StageAsync(hasKeys: false), context));
        if (!expected)
            Assert.Contains("own machine only", StageContext.Sent(context), StringComparison.Ordinal);
    }

    private static DefaultHttpContext WithKey(string path, string key)
    {
        var context = StageContext.Create(path);
        context.Request.Headers.Authorization = "Bearer " + key;
        return context;
    }

    private static (string Key, string Verifier) Create()
    {
        var (key, verifier) = ApiKey.Create();
        return (key, verifier.ToString());
    }

    private static async Task<IdentityStage> StageAsync(bool hasKeys = true, bool isRead = true)
    {
        var tenants = new TenantsOptions();
        if (hasKeys)
        {
            tenants.Add("users", new TenantOptions { Keys = [Inference.Verifier], Scopes = Scopes.Inference });
            tenants.Add("admins", new TenantOptions { Keys = [Management.Verifier], Scopes = Scopes.Management });
        }

        var time = new FakeTimeProvider();
        var directory = new TenantDirectory(
            Options.Create(tenants), Options.Create(new AccessOptions()), new MemoryTenantStore(isShared: true), time, NullLogger<TenantDirectory>.Instance);
        if (isRead)
            await directory.LoadAsync(TestContext.Current.CancellationToken);
        return new IdentityStage(new RequestAuthenticator(directory, new FailedLoginThrottle(time), time));
    }
}
