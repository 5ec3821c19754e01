using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Refuses requests that exceed the caps for a single request or the unused part of their tenant's limits.</summary>
internal sealed class QuotaStage(QuotaReservations reservations, IOptions<CapOptions> options, QuotaMetrics metrics) : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        if (operation.Kind == OperationKind.Management)
            return next(context);
        if (operation.Kind == OperationKind.Inference && Caps.Check(RequestBodyFeature.Of(context).Facts.Demands, options.Value) is { } excess)
            return ProtocolError.WriteAsync(context, operation.Protocol, StatusCodes.Status400BadRequest, excess);
        var tenant = ConfinedTenantFeature.Of(context);
        var limits = tenant.Limits;
        var model = context.Features.GetRequiredFeature<ModelSelection>().NamedKey;
        return limits.IsUnlimited && (limits.Models.Count == 0 || limits.Of(model) is null)
            ? next(context)
            : AdmitAsync(context, operation, tenant, model, next);
    }

    private async Task AdmitAsync(HttpContext context, Operation operation, Tenant tenant, string model, RequestDelegate next)
    {
        // The accounting settles the reservation when the request ends.
        var (lease, tokens) = await reservations.AcquireAsync(context, tenant, model);
        if (lease.IsAcquired)
        {
            await next(context);
            return;
        }

        metrics.RecordLimitRefusal(tenant.Id, lease.Refusal.Limit);
        if (lease.Refusal.Limit == QuotaLimit.Unavailable)
        {
            await ProtocolError.WriteAsync(
                context, operation.Protocol, StatusCodes.Status503ServiceUnavailable, "limits cannot be checked at the moment", lease.Refusal.RetryAfter);
            return;
        }

        if (lease.Refusal.RetryAfter is null)
            context.Response.Headers[QuotaHeaders.ShouldRetry] = "false";
        await ProtocolError.WriteAsync(
            context, operation.Protocol, StatusCodes.Status429TooManyRequests, Word(lease.Refusal, tokens), lease.Refusal.RetryAfter);
    }

    private static string Word(in QuotaRefusal refusal, long tokens)
    {
        var allowed = refusal.Allowed.ToString("0.###", CultureInfo.InvariantCulture);
        var what = refusal.Limit switch
        {
            QuotaLimit.Requests => $"{allowed} requests a second",
            QuotaLimit.Concurrency => $"{allowed} requests at a time",
            QuotaLimit.Minute => $"{allowed} tokens a minute",
            _ => $"{allowed} tokens a day",
        } + (refusal.OfModel ? " for this model" : "");
        return refusal.RetryAfter is null
            ? string.Create(CultureInfo.InvariantCulture, $"the request may need {tokens} tokens (prompt and response), more than the limit of {what}")
            : $"rate limit reached: {what}";
    }
}
