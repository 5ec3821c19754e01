using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class ChargeFactory(IOptions<QueueOptions> options)
{
    private TokenPrices Prices => new(options.Value.InputTokenWeight, options.Value.OutputTokenWeight);

    /// <summary>Charges a request that did not wait in its tenant's line.</summary>
    public TokenCharge Charge(in LeaseRequest request, ModelQueue queue)
    {
        if (!request.NeedsSlot || request.Owner.IsCharged)
            return default;
        var prices = Prices;
        var tenant = request.Owner.Tenant;
        var weight = ClassQueue.Weight(tenant);
        var counters = queue[request.Owner.Priority].Counters;
        var inputTokens = request.Owner.InputTokens;
        var counter = counters.Admit(tenant.Id, TokenCharge.Cost(inputTokens, prices, weight), prices.Output / weight, out var expected);
        return new TokenCharge(counters, counter, prices, weight, inputTokens, expected);
    }

    /// <summary>Charges a request that leaves the queue, if it is served, and updates the counters of its tenant's line.</summary>
    public TokenCharge ChargeLeaving(Waiter waiter, bool served)
    {
        if (waiter.Line is not { } line)
            return served ? Charge(waiter.Request, waiter.Queue) : default;
        var counters = waiter.Queue[waiter.Class].Counters;
        if (!served || waiter.Request.Owner.IsCharged)
        {
            counters.Leave(line.Tokens);
            return default;
        }

        var prices = Prices;
        var weight = ClassQueue.Weight(waiter.Tenant);
        var inputTokens = waiter.Request.Owner.InputTokens;
        var expected = counters.Serve(line.Tokens, TokenCharge.Cost(inputTokens, prices, weight), prices.Output / weight);
        return new TokenCharge(counters, line.Tokens, prices, weight, inputTokens, expected);
    }
}
