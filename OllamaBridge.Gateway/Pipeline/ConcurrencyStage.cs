using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Limits a tenant's concurrent requests at this gateway before their bodies are read, so that bodies that the limit would refuse cannot fill the
/// memory. The quota enforces the limit over all gateways.</summary>
internal sealed class ConcurrencyStage(QuotaMetrics metrics) : IRequestStage
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, InFlight> _tenants = new(StringComparer.Ordinal);

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        var tenant = ConfinedTenantFeature.Of(context);
        return tenant.Limits.ConcurrentRequests is { } most && operation.Kind is OperationKind.Inference or OperationKind.Lookup
            ? CountAsync(context, operation, tenant, most, next)
            : next(context);
    }

    private async Task CountAsync(HttpContext context, Operation operation, Tenant tenant, long most, RequestDelegate next)
    {
        var inFlight = _tenants.GetOrAdd(tenant.Id, static _ => new InFlight());
        try
        {
            if (Interlocked.Increment(ref inFlight.Count) <= most)
            {
                await next(context);
                return;
            }
        }
        finally
        {
            Interlocked.Decrement(ref inFlight.Count);
        }

        metrics.RecordLimitRefusal(tenant.Id, QuotaLimit.Concurrency);
        if (context.Request.ContentLength is not 0)
            context.Response.Headers.Connection = "close";
        await ProtocolError.WriteAsync(
            context, operation.Protocol, StatusCodes.Status429TooManyRequests,
            string.Create(CultureInfo.InvariantCulture, $"rate limit reached: {most} requests at a time"), Retry);
    }

    private sealed class InFlight
    {
        public long Count;
    }
}
