using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Naming;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>Lets another model answer where the one that was asked cannot: once through its list, and only where nothing has been answered yet.</summary>
internal sealed class ModelFallback(IFleet fleet, QuotaStage quotas, BridgeMetrics metrics, TimeProvider time, ILogger<ModelFallback> logger)
{
    /// <summary>Whether there is nobody left to ask for the model, but for another one.</summary>
    /// <param name="call">The request.</param>
    /// <param name="tries">What has become of it with this model.</param>
    /// <param name="maxAttempts">How often it may be sent for one model.</param>
    /// <returns>Why; null where the model itself is to be asked, or waited for.</returns>
    public FallbackCause? Judge(BridgeCall call, ModelTries tries, int maxAttempts)
    {
        if (call.Alternatives is not { HasNext: true } alternatives)
            return null;
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        if (!alternatives.AnyUsable(snapshot, call, time.GetTimestamp()))
            return null;
        if (tries.IsTooLong)
            return FallbackCause.TooLong;
        var cause = FallbackRules.Judge(snapshot.Find(call.ModelKey, call.Part), tries.Tried, tries.MayBeSent(call, maxAttempts), time.GetTimestamp());
        return cause == FallbackCause.Busy && !alternatives.AnyFree(snapshot, call, time.GetTimestamp()) ? null : cause;
    }

    /// <summary>Whether a request that waits for a slot can be served at once by another model.</summary>
    /// <returns>Null if there is none.</returns>
    public Func<bool>? GiveWay(BridgeCall call) => call.Alternatives is { HasNext: true } alternatives
        ? () => alternatives.AnyFree(fleet.Current.For(call.Tenant.Instances), call, time.GetTimestamp())
        : null;

    /// <summary>Goes on to the next model that has an instance that may be given work, and that its tenant's limits have room for.</summary>
    /// <returns>False where there is none.</returns>
    public async ValueTask<bool> TryMoveAsync(HttpContext context, BridgeCall call, FallbackCause cause)
    {
        if (call.Alternatives is not { } alternatives)
            return false;
        // Those that are busy themselves may be needed later.
        if (cause == FallbackCause.Busy && !alternatives.AnyFree(fleet.Current.For(call.Tenant.Instances), call, time.GetTimestamp()))
            return false;
        var from = call.ModelKey;
        while (alternatives.TryNext())
        {
            var next = alternatives.Current;
            var snapshot = fleet.Current.For(call.Tenant.Instances);
            var canServe = cause == FallbackCause.Busy
                ? ModelAlternatives.IsFree(snapshot, call, next, time.GetTimestamp())
                : ModelAlternatives.IsUsable(snapshot, call, next, time.GetTimestamp());
            if (!canServe
                || !await quotas.TryMoveAsync(context, call, next.Key))
                continue;
            // In the queue it was another model's; there it has used nothing.
            call.SettleCharge();
            call.StandIn(next);
            metrics.RecordFallback(from, cause);
            ForwardingLog.StandsIn(logger, next.Key, from, cause);
            return true;
        }

        return false;
    }
}
