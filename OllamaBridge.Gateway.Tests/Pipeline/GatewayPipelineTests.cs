using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Pipeline;

/// <summary>The gateway's pipeline without its server: no listener, no background service.</summary>
public sealed class GatewayPipelineTests : IAsyncDisposable
{
    private readonly RecordingLedger _ledger = new();
    private WebApplication? _app;

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
    }

    [Fact]
    public async Task Invoke_LaterStageThrows_RecordedOnceAsFailed()
    {
        var context = await SendAsync("/api/chat", new BrokenBody(new InvalidOperationException("bug")));
        var record = Assert.Single(_ledger.Records);
        Assert.Equal(("chat", "failed", 500), (record.Operation, record.Outcome, record.Status));
        Assert.Equal(500, context.Response.StatusCode);
    }

    [Fact]
    public async Task Invoke_InventoryRoute_RespondsAndIsRecorded()
    {
        var context = await SendAsync("/api/version", method: "GET");
        Assert.Equal((200, "version"), (context.Response.StatusCode, Assert.Single(_ledger.Records).Operation));
        Assert.NotEmpty(context.TraceIdentifier);
    }

    [Fact]
    public async Task Invoke_UnknownRoute_404NotRecorded()
    {
        var context = await SendAsync("/nothing");
        Assert.Equal(404, context.Response.StatusCode);
        Assert.Empty(_ledger.Records);
    }

    [Fact]
    public async Task Invoke_KeyMissing_RefusedBeforeBodyIsRead()
    {
        var context = await SendAsync("/api/chat", new BrokenBody(new InvalidOperationException("read")), requireKey: true);
        Assert.Equal((401, "rejected"), (context.Response.StatusCode, Assert.Single(_ledger.Records).Outcome));
    }

    [Fact]
    public async Task Invoke_OwnersRoute_RefusedBeforeBodyIsRead()
    {
        var context = await SendAsync("/api/signout", new BrokenBody(new InvalidOperationException("read")));
        Assert.Equal((403, "rejected"), (context.Response.StatusCode, Assert.Single(_ledger.Records).Outcome));
    }

    [Fact]
    public async Task Invoke_ForeignHost_RefusedBeforeAccounting()
    {
        var context = await SendAsync("/api/version", method: "GET", host: "evil.example");
        Assert.Equal(403, context.Response.StatusCode);
        Assert.Empty(_ledger.Records);
    }

    [Fact]
    public async Task Invoke_UnknownModel_404Recorded()
    {
        var context = await SendAsync("/api/chat", new MemoryStream("""{"model":"nope","messages":[]}"""u8.ToArray()));
        Assert.Equal((404, "rejected"), (context.Response.StatusCode, Assert.Single(_ledger.Records).Outcome));
    }

    private async Task<HttpContext> SendAsync(string path, Stream? body = null, string method = "POST", bool requireKey = false, string host = "localhost")
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = "Testing" });
        builder.AddGateway();
        builder.Logging.ClearProviders();
        var fleet = new FakeFleet();
        fleet.Publish(new FleetBuilder().With("i").Build());
        builder.Services.AddSingleton<IFleet>(fleet).AddSingleton<ILedger>(_ledger);
        builder.Configuration["Bridge:Access:RequireKey"] = requireKey ? "true" : "false";
        _app = builder.Build();
        await _app.Services.GetRequiredService<TenantDirectory>().LoadAsync(TestContext.Current.CancellationToken);
        _app.UseGateway();
        var context = new DefaultHttpContext { RequestServices = _app.Services };
        (context.Request.Method, context.Request.Path, context.Request.Scheme, context.Request.Host) = (method, path, "http", new HostString(host));
        (context.Connection.RemoteIpAddress, context.Connection.LocalIpAddress) = (IPAddress.Loopback, IPAddress.Loopback);
        context.Request.ContentType = "application/json";
        context.Request.Body = body ?? Stream.Null;
        context.Response.Body = new MemoryStream();
        await ((IApplicationBuilder)_app).Build()(context);
        return context;
    }

    /// <summary>A body that fails when it is read.</summary>
    private sealed class BrokenBody(Exception exception) : MemoryStream(new byte[10])
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw exception;

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => throw exception;
    }
}
