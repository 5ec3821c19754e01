using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

internal sealed class QuotaReservations(IQuotaStore store, IOptions<CapOptions> options, TimeProvider time)
{
    /// <summary>Reserves a tenant's quota, and writes the quota headers of the response. Also returns the number of tokens that the request may need.</summary>
    public async ValueTask<(QuotaLease Lease, long Tokens)> AcquireAsync(HttpContext context, Tenant tenant, string modelKey)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        var body = RequestBodyFeature.Of(context);
        var limits = tenant.Limits;
        var ofModel = limits.Of(modelKey);
        var estimate = QuotaTokens.Prompt(operation, body.Body?.Length ?? 0, body.Facts.Demands);
        var tokens = QuotaTokens.Reserve(operation, estimate, body.Facts.Demands, options.Value.AssumedOutputTokens, limits, ofModel);
        var lease = await store.AcquireAsync(new QuotaDemand(tenant.Id, limits, modelKey, ofModel, tokens, limits.FailClosed), context.RequestAborted);
        QuotaHeaders.Write(context.Response.Headers, operation.Protocol, lease.Levels, time.GetWallClock());
        if (lease.IsAcquired)
        {
            var reservation = context.Features.Get<QuotaReservation>();
            if (reservation is null)
                context.Features.Set(reservation = new QuotaReservation());
            (reservation.Lease, reservation.PromptEstimate) = (lease, estimate);
        }

        return (lease, tokens);
    }

    /// <summary>Moves the reservation to another model; it stays if neither model has limits. False if there is no room; it is settled then.</summary>
    public async ValueTask<bool> TryMoveAsync(HttpContext context, Tenant tenant, string fromModel, string toModel)
    {
        var limits = tenant.Limits;
        var reservation = context.Features.Get<QuotaReservation>();
        var isOfNoModel = limits.Of(toModel) is null && limits.Of(fromModel) is null;
        if (isOfNoModel && (limits.IsUnlimited || reservation?.Lease is not null))
            return true;
        if (reservation is not null)
        {
            reservation.Lease?.Settle(0);
            reservation.Lease = null;
        }

        if (limits.IsUnlimited && limits.Of(toModel) is null)
            return true;
        var (lease, _) = await AcquireAsync(context, tenant, toModel);
        return lease.IsAcquired;
    }
}
