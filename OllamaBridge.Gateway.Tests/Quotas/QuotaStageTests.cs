using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Quotas;

public sealed class QuotaStageTests : IDisposable
{
    private static readonly Func<HttpContext, BridgeCall, Task> Next = (_, _) => Task.CompletedTask;
    private readonly TestMeters _meters = new();
    private readonly QuotaStage _stage;

    public QuotaStageTests() => _stage = new QuotaStage(
        TestQuotas.Alone(TimeProvider.System),
        Options.Create(new CapOptions { MaxOutputTokens = 100 }),
        new BridgeMetrics(_meters),
        TimeProvider.System);

    [Fact]
    public void Invoke_NoLimits_NoAllocationNoLease()
    {
        var (context, call) = (new DefaultHttpContext(), Call(new TenantLimits()));
        // The first call creates objects that stay.
        _ = _stage.InvokeAsync(context, call, Next);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            _ = _stage.InvokeAsync(context, call, Next);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Null(call.Quota);
        Assert.Empty(context.Response.Headers);
    }

    [Fact]
    public void Invoke_OtherModelLimited_NoLease()
    {
        var call = Call(new TenantLimits { Models = [new ModelLimits { Model = "other", TokensPerDay = 1 }] });
        _ = _stage.InvokeAsync(new DefaultHttpContext(), call, Next);
        Assert.Null(call.Quota);
    }

    [Fact]
    public async Task Invoke_ModelLimited_HoldsLease()
    {
        // The operator's spelling; the call has the canonical name.
        var call = Call(new TenantLimits { Models = [new ModelLimits { Model = "Tiny", TokensPerDay = 10_000 }] });
        await _stage.InvokeAsync(new DefaultHttpContext(), call, Next);
        Assert.True(call.Quota!.IsAcquired);
        Assert.Equal(10_000 - 1024, call.Quota.Levels.Tokens!.Value.Remaining);
    }

    public void Dispose() => _meters.Dispose();

    private static BridgeCall Call(TenantLimits limits) => new(OperationTable.Find("/api/chat", out _)!, "", 0)
    {
        ModelKey = "tiny:latest",
        Tenant = new Tenant { Id = "team", Limits = limits },
    };
}
