using System.Collections.Concurrent;
using System.Globalization;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>
/// Limits a tenant's concurrent requests at this gateway before their bodies are read, so that a tenant cannot fill the bridge's memory with
/// bodies of requests that its limit would refuse. <see cref="QuotaStage"/> enforces the limit over all gateways.
/// </summary>
internal sealed class ConcurrencyGate(QuotaMetrics metrics)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, InFlight> _tenants = new(StringComparer.Ordinal);

    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next) =>
        call.Tenant.Limits.ConcurrentRequests is { } most && call.Operation.Kind is OperationKind.Inference or OperationKind.Lookup
            ? CountAsync(context, call, most, next)
            : next(context, call);

    private async Task CountAsync(HttpContext context, BridgeCall call, long most, Func<HttpContext, BridgeCall, Task> next)
    {
        var inFlight = _tenants.GetOrAdd(call.Tenant.Id, static _ => new InFlight());
        try
        {
            if (Interlocked.Increment(ref inFlight.Count) <= most)
            {
                await next(context, call);
                return;
            }
        }
        finally
        {
            Interlocked.Decrement(ref inFlight.Count);
        }

        metrics.RecordLimitRefusal(call.Tenant.Id, QuotaLimit.Concurrency);
        if (context.Request.ContentLength is not 0)
            context.Response.Headers.Connection = "close";
        await ProtocolError.WriteAsync(
            context, call.Operation.Protocol, StatusCodes.Status429TooManyRequests,
            string.Create(CultureInfo.InvariantCulture, $"rate limit reached: {most} requests at a time"), Retry);
    }

    private sealed class InFlight
    {
        public long Count;
    }
}
