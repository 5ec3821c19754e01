using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a request holds where another model may answer it: of its tenant's limits altogether, and apart from that of one model's.</summary>
internal sealed class DividedQuotaLease : QuotaLease
{
    private static readonly UsageLimits None = new();
    private readonly QuotaLease _total;
    private readonly QuotaDemand _demand;
    private QuotaLease? _ofModel;

    private DividedQuotaLease(QuotaLease total, QuotaLease? ofModel, in QuotaDemand demand, QuotaLevels levels)
        : base(default, levels)
    {
        _total = total;
        _ofModel = ofModel;
        _demand = demand;
    }

    /// <summary>Takes what a request needs of its tenant's limits and of its model's.</summary>
    public static async ValueTask<QuotaLease> AcquireAsync(IQuotaStore store, QuotaDemand demand, CancellationToken cancellationToken)
    {
        var total = await store.AcquireAsync(demand with { ModelLimits = null }, cancellationToken);
        if (!total.IsAcquired || demand.ModelLimits is null)
            return total.IsAcquired ? new DividedQuotaLease(total, null, demand, total.Levels) : total;
        var ofModel = await AcquireModelAsync(store, demand, cancellationToken, total);
        if (!ofModel.IsAcquired)
        {
            total.Settle(0);
            return ofModel;
        }

        var (a, b) = (total.Levels, ofModel.Levels);
        return new DividedQuotaLease(
            total, ofModel, demand, new QuotaLevels(QuotaLevel.Tighter(a.Requests, b.Requests), QuotaLevel.Tighter(a.Tokens, b.Tokens)));
    }

    /// <summary>Another model is to answer: what is held of the first one's limits goes back, and the same is taken of the other's.</summary>
    /// <param name="store">Who counts.</param>
    /// <param name="model">The other model's canonical name.</param>
    /// <param name="limits">What may be used up of it; null for no limit.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    /// <returns>False where there is no room, and nothing has changed.</returns>
    public async ValueTask<bool> TryMoveAsync(IQuotaStore store, string model, UsageLimits? limits, CancellationToken cancellationToken)
    {
        var next = limits is null ? null : await AcquireModelAsync(store, _demand with { Model = model, ModelLimits = limits }, cancellationToken);
        if (next is { IsAcquired: false })
            return false;
        _ofModel?.Settle(0);
        _ofModel = next;
        return true;
    }

    /// <inheritdoc/>
    protected override void Return(long tokens)
    {
        _total.Settle(tokens);
        _ofModel?.Settle(tokens);
    }

    private static async ValueTask<QuotaLease> AcquireModelAsync(
        IQuotaStore store, QuotaDemand demand, CancellationToken cancellationToken, QuotaLease? held = null)
    {
        try
        {
            return await store.AcquireAsync(demand with { Limits = None }, cancellationToken);
        }
        catch
        {
            held?.Settle(0);
            throw;
        }
    }
}
