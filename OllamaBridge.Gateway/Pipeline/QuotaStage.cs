using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Refuses requests that exceed the caps for a single request or the unused part of their tenant's limits.</summary>
internal sealed class QuotaStage(IQuotaStore store, IOptions<CapOptions> options, QuotaMetrics metrics, TimeProvider time)
{
    private CapOptions CapsInEffect => options.Value;

    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        if (call.Operation.Kind == OperationKind.Inference && Caps.Check(call.Facts.Demands, CapsInEffect) is { } excess)
            return ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status400BadRequest, excess);
        var limits = call.Tenant.Limits;
        return limits.IsUnlimited && (limits.Models.Count == 0 || limits.Of(call.NamedModel) is null)
            ? next(context, call)
            : AdmitAsync(context, call, next);
    }

    /// <summary>Moves the reservation of an admitted request to another model: settles the old one with 0 tokens and makes a new one.</summary>
    /// <remarks>If neither model has its own limits, the reservation is for all models together and stays.</remarks>
    /// <param name="context">The request.</param>
    /// <param name="call">The request's state; its quota lease is replaced.</param>
    /// <param name="modelKey">The other model's canonical name.</param>
    /// <returns>False if the tenant's limits have no room for it; the request has no reservation then.</returns>
    public async ValueTask<bool> TryMoveAsync(HttpContext context, BridgeCall call, string modelKey)
    {
        var limits = call.Tenant.Limits;
        var isOfNoModel = limits.Of(modelKey) is null && limits.Of(call.ModelKey) is null;
        if (isOfNoModel && (limits.IsUnlimited || call.Quota is not null))
            return true;
        call.Quota?.Settle(0);
        call.Quota = null;
        if (limits.IsUnlimited && limits.Of(modelKey) is null)
            return true;
        var (lease, _) = await AcquireAsync(context, call, modelKey);
        if (!lease.IsAcquired)
            return false;
        call.Quota = lease;
        return true;
    }

    private async ValueTask<(QuotaLease Lease, long Tokens)> AcquireAsync(HttpContext context, BridgeCall call, string modelKey)
    {
        var operation = call.Operation;
        var limits = call.Tenant.Limits;
        var ofModel = limits.Of(modelKey);
        call.PromptEstimate = QuotaTokens.Prompt(operation, call.Body?.Length ?? 0, call.Facts.Demands);
        var tokens = QuotaTokens.Reserve(operation, call.PromptEstimate, call.Facts.Demands, CapsInEffect.AssumedOutputTokens, limits, ofModel);
        var lease = await store.AcquireAsync(new QuotaDemand(call.Tenant.Id, limits, modelKey, ofModel, tokens, limits.FailClosed), context.RequestAborted);
        QuotaHeaders.Write(context.Response.Headers, operation.Protocol, lease.Levels, time.GetWallClock());
        return (lease, tokens);
    }

    private async Task AdmitAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        var operation = call.Operation;
        var (lease, tokens) = await AcquireAsync(context, call, call.NamedModel);
        if (lease.IsAcquired)
        {
            // RequestAccounting settles the lease when the call ends.
            call.Quota = lease;
            await next(context, call);
            return;
        }

        metrics.RecordLimitRefusal(call.Tenant.Id, lease.Refusal.Limit);
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
