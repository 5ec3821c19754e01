using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>Moves a request to a fallback model if its model cannot serve it: each fallback once, and only before the response has begun.</summary>
internal sealed class ModelFallback(IFleet fleet, QuotaReservations quotas, CatalogMetrics metrics, TimeProvider time, ILogger<ModelFallback> logger)
{
    /// <returns>Null if the model itself is to be used, or waited for.</returns>
    public FallbackCause? Judge(ModelTries tries, int maxAttempts)
    {
        var call = tries.Call;
        if (call.Model.Alternatives is not { HasNext: true } alternatives)
            return null;
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        if (!alternatives.AnyUsable(snapshot, call.Model, time.GetTimestamp()))
            return null;
        if (tries.IsTooLong)
            return FallbackCause.TooLong;
        var cause = FallbackRules.Judge(snapshot.Find(call.Model.Key, call.Model.Part), tries.Tried, tries.MayBeSent(maxAttempts), time.GetTimestamp());
        return cause == FallbackCause.Busy && !alternatives.AnyFree(snapshot, call.Model, time.GetTimestamp()) ? null : cause;
    }

    /// <summary>A check whether a fallback can serve a request at once that waits for a slot of its own model.</summary>
    /// <returns>Null if the request has no fallback left.</returns>
    public Func<bool>? AllowFallback(ForwardedCall call) => call.Model.Alternatives is { HasNext: true } alternatives
        ? () => alternatives.AnyFree(fleet.Current.For(call.Tenant.Instances), call.Model, time.GetTimestamp())
        : null;

    /// <returns>False if no fallback has a usable instance and room in the tenant's quotas.</returns>
    public async ValueTask<bool> TryMoveAsync(HttpContext context, ForwardedCall call, FallbackCause cause)
    {
        if (call.Model.Alternatives is not { } alternatives)
            return false;
        // Fallbacks that are busy, too, are kept: the request may need them later.
        if (cause == FallbackCause.Busy && !alternatives.AnyFree(fleet.Current.For(call.Tenant.Instances), call.Model, time.GetTimestamp()))
            return false;
        var from = call.Model.Key;
        while (alternatives.TryNext())
        {
            var next = alternatives.Current;
            var snapshot = fleet.Current.For(call.Tenant.Instances);
            var canServe = cause == FallbackCause.Busy
                ? ModelAlternatives.IsFree(snapshot, call.Model, next, time.GetTimestamp())
                : ModelAlternatives.IsUsable(snapshot, call.Model, next, time.GetTimestamp());
            if (!canServe
                || !await quotas.TryMoveAsync(context, call.Tenant, call.Model.Key, next.Key))
                continue;
            // The queue charged the request for the previous model, which it has not used.
            call.SettleCharge();
            call.Model.Use(next);
            metrics.RecordFallback(from, cause);
            ForwardingLog.StandsIn(logger, next.Key, from, cause);
            return true;
        }

        return false;
    }
}
