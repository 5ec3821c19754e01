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
        return limits.IsUnlimited && (limits.Models.Count == 0 || (limits.Of(call.ModelKey) is null && call.Alternatives is null))
            ? next(context, call)
            : AdmitAsync(context, call, next);
    }

    /// <summary>Another model is to answer a request that was admitted.</summary>
    /// <param name="call">The request.</param>
    /// <param name="modelKey">The model's canonical name.</param>
    /// <param name="gone">The client has gone.</param>
    /// <returns>False where its tenant's limits have no room for that.</returns>
    public ValueTask<bool> TryMoveAsync(BridgeCall call, string modelKey, CancellationToken gone) => call.Quota is DividedQuotaLease lease
        ? lease.TryMoveAsync(store, modelKey, call.Tenant.Limits.Of(modelKey), gone)
        : ValueTask.FromResult(true);

    private async Task AdmitAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        var operation = call.Operation;
        var limits = call.Tenant.Limits;
        var ofModel = limits.Of(call.ModelKey);
        call.PromptEstimate = QuotaTokens.Prompt(operation, call.Body?.Length ?? 0, call.Facts.Demands);
        var tokens = QuotaTokens.Reserve(operation, call.PromptEstimate, call.Facts.Demands, _caps.AssumedOutputTokens, limits, ofModel);
        var demand = new QuotaDemand(call.Tenant.Id, limits, call.ModelKey, ofModel, tokens);
        var lease = call.Alternatives is { HasNext: true } && limits.Models.Count > 0
            ? await DividedQuotaLease.AcquireAsync(store, demand, context.RequestAborted)
            : await store.AcquireAsync(demand, context.RequestAborted);
        QuotaHeaders.Write(context.Response.Headers, operation.Protocol, lease.Levels, time.GetUtcNow());
        if (lease.IsAcquired)
        {
            // Settled with the call.
            call.Quota = lease;
            await next(context, call);
            return;
        }

        metrics.RecordLimitRefusal(call.Tenant.Id, lease.Refusal.Limit);
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
