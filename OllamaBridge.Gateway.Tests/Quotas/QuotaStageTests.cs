using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Quotas;

public sealed class QuotaStageTests : IDisposable
{
    private static readonly RequestDelegate Next = _ => Task.CompletedTask;
    private static readonly IOptions<CapOptions> Caps = Options.Create(new CapOptions { MaxOutputTokens = 100 });
    private readonly TestMeters _meters = new();
    private readonly QuotaStage _stage;

    public QuotaStageTests() => _stage = new QuotaStage(
        new QuotaReservations(TestQuotas.Alone(TimeProvider.System), Caps, TimeProvider.System), Caps, new QuotaMetrics(_meters));

    [Fact]
    public void Invoke_NoLimits_NoAllocationNoLease()
    {
        var context = Request(new TenantLimits());
        // The first call creates objects that stay.
        _ = _stage.InvokeAsync(context, Next);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            _ = _stage.InvokeAsync(context, Next);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Null(context.Features.Get<QuotaReservation>());
        Assert.Empty(context.Response.Headers);
    }

    [Fact]
    public void Invoke_OtherModelLimited_NoLease()
    {
        var context = Request(new TenantLimits { Models = [new ModelLimits { Model = "other", TokensPerDay = 1 }] });
        _ = _stage.InvokeAsync(context, Next);
        Assert.Null(context.Features.Get<QuotaReservation>());
    }

    [Fact]
    public async Task Invoke_ModelLimited_HoldsLease()
    {
        // The operator's spelling; the request has the canonical name.
        var context = Request(new TenantLimits { Models = [new ModelLimits { Model = "Tiny", TokensPerDay = 10_000 }] });
        await _stage.InvokeAsync(context, Next);
        var lease = context.Features.Get<QuotaReservation>()!.Lease!;
        Assert.True(lease.IsAcquired);
        Assert.Equal(10_000 - 1024, lease.Levels.Tokens!.Value.Remaining);
    }

    public void Dispose() => _meters.Dispose();

    private static DefaultHttpContext Request(TenantLimits limits)
    {
        var context = new DefaultHttpContext();
        var operation = OperationTable.Find("/api/chat", out _)!;
        context.Features.Set(new OperationFeature(operation, ""));
        context.Features.Set(new TenantFeature(new Tenant { Id = "team", Limits = limits }));
        context.Features.Set(new ModelSelection(operation, RequestBodyFeature.None) { Key = "tiny:latest" });
        return context;
    }
}
