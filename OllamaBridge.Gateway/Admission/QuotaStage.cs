using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Sends away what asks for more than any request may, or than its tenant's limits still have.</summary>
internal sealed class QuotaStage(IQuotaStore store, IOptions<CapOptions> options, BridgeMetrics metrics, TimeProvider time)
{
    private readonly CapOptions _caps = options.Value;

    /// <summary>Handles one request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="next">Who answers it.</param>
    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        if (call.Operation.Kind == OperationKind.Inference && Caps.Check(call.Facts.Demands, _caps) is { } excess)
            return ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status400BadRequest, excess);
        var limits = call.Tenant.Limits;
        return limits.IsUnlimited && (limits.Models.Count == 0 || limits.Of(call.ModelKey) is null)
            ? next(context, call)
            : AdmitAsync(context, call, next);
    }

    private async Task AdmitAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        var operation = call.Operation;
        var limits = call.Tenant.Limits;
        var ofModel = limits.Of(call.ModelKey);
        call.PromptEstimate = QuotaTokens.Prompt(operation, call.Body?.Length ?? 0, call.Facts.Demands);
        var tokens = QuotaTokens.Reserve(operation, call.PromptEstimate, call.Facts.Demands, _caps.AssumedOutputTokens, limits, ofModel);
        var lease = await store.AcquireAsync(new QuotaDemand(call.Tenant.Id, limits, call.ModelKey, ofModel, tokens, limits.FailClosed), context.RequestAborted);
        QuotaHeaders.Write(context.Response.Headers, operation.Protocol, lease.Levels, time.GetUtcNow());
        if (lease.IsAcquired)
        {
            // Settled with the call.
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
            ? string.Create(CultureInfo.InvariantCulture, $"the request may need {tokens} tokens (prompt and answer), more than the limit of {what}")
            : $"rate limit reached: {what}";
    }
}
