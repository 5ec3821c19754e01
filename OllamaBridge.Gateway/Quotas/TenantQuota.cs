using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>A request that waits for the shared state's response for its tenant.</summary>
internal sealed class QuotaWaiter(QuotaDemand demand) : TaskCompletionSource<QuotaLease>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public QuotaDemand Demand => demand;

    /// <summary>Whether a report has included it.</summary>
    public bool IsReported { get; set; }
}

/// <summary>This gateway's counts and claims for one tenant. Guarded by its lock: all its limits are reserved together or not at all.</summary>
/// <param name="timeout">How long a gateway counts after its last report.</param>
internal sealed class TenantQuota(string id, TimeSpan timeout)
{
    // Often enough to restore claims soon after the shared state has lost them, and rare enough to cost nothing.
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(20);
    private readonly Dictionary<string, QuotaScope> _models = new(StringComparer.Ordinal);
    private TimeSpan? _confirmedAt;
    private long _confirmedDay;
    private long _confirmedSince;
    private bool _isCareful;
    private bool _failClosed;
    private long _acknowledged;
    private (QuotaRefusal Refusal, long Tokens, TimeSpan Until) _refused;

    public string Id => id;

    public Lock Lock { get; } = new();

    public QuotaScope Total { get; } = new("");

    /// <summary>The requests that wait for a response of the shared state, in order of arrival.</summary>
    public LinkedList<QuotaWaiter> Waiting { get; } = new();

    public bool IsExchanging { get; set; }

    /// <summary>Whether the store has removed it: the caller must get the tenant's new object.</summary>
    public bool IsDropped { get; set; }

    public bool IsIdle => !IsExchanging && Waiting.Count == 0 && Total.IsIdle && _models.Values.All(m => m.IsIdle);

    public QuotaScope Of(string model)
    {
        // Bounded by the number of the tenant's limits for models.
        if (!_models.TryGetValue(model, out var scope))
            _models.Add(model, scope = new QuotaScope(model));
        return scope;
    }

    /// <summary>Makes a request's reservation, or refuses it; null if the shared state must be queried first.</summary>
    public QuotaLease? Decide(
        in QuotaDemand demand, QuotaKnowledge knowledge, int gateways, in QuotaMoment now, Func<TenantQuota, QuotaScope?, long, QuotaLevels, QuotaLease> lease)
    {
        var at = Prepare(demand, knowledge, gateways, now, out var model);
        var refusal = Total.CheckOwn(demand.Tokens, at);
        if (refusal.Limit == QuotaLimit.None && model is not null)
            refusal = model.CheckOwn(demand.Tokens, at);
        if (refusal.Limit == QuotaLimit.None && knowledge != QuotaKnowledge.Alone)
        {
            refusal = CheckShared(model, demand.Tokens, at);
            if (refusal.Limit != QuotaLimit.None && knowledge == QuotaKnowledge.Claims)
            {
                // The shared state refused as much a moment ago.
                if (now.Elapsed >= _refused.Until || demand.Tokens < _refused.Tokens || refusal.Limit != _refused.Refusal.Limit
                    || refusal.OfModel != _refused.Refusal.OfModel)
                    return null;
                refusal = CheckShared(model, demand.Tokens, at with { Knowledge = QuotaKnowledge.Answered });
            }
        }

        if (refusal.Limit != QuotaLimit.None)
            return new QuotaLease(refusal, Levels(model, at));
        Total.Take(demand.Tokens);
        model?.Take(demand.Tokens);
        return lease(this, model, demand.Tokens, Levels(model, at));
    }

    /// <summary>Prepares the limits of a request that waits behind others, so that the next report includes it.</summary>
    public void Expect(in QuotaDemand demand, int gateways, in QuotaMoment now) => Prepare(demand, QuotaKnowledge.Claims, gateways, now, out _);

    /// <summary>Remembers a refusal by the shared state until a time, so that the next request of this size doesn't cause another exchange.</summary>
    public void Remember(QuotaLease lease, in QuotaDemand demand, TimeSpan until)
    {
        // Refusals by a model's limit are not remembered, because one refusal per tenant is stored, without its model.
        if (!lease.IsAcquired && lease.Refusal is { OfModel: false, Limit: not QuotaLimit.Unavailable })
            _refused = (lease.Refusal, demand.Tokens, until);
    }

    public void Settle(QuotaScope? model, long reserved, long used, in QuotaMoment now)
    {
        Total.Counter.Settle(reserved, used, now);
        model?.Counter.Settle(reserved, used, now);
        _refused = default;
    }

    public bool IsTight(QuotaScope? model) => Total.IsTight || model?.IsTight == true;

    public void Pass()
    {
        Total.Pass();
        foreach (var model in _models.Values)
            model.Pass();
    }

    public void Rest()
    {
        Total.Rest();
        foreach (var model in _models.Values)
            model.Rest();
    }

    /// <remarks><paramref name="since"/> is the <see cref="QuotaResult.Since"/> of the latest response to any tenant's report.</remarks>
    public bool IsDue(long since, int gateways, in QuotaMoment now)
    {
        var at = Situation(QuotaKnowledge.Claims, gateways, now);
        if (Total.IsDue(at))
            return true;
        foreach (var model in _models.Values)
            if (model.IsDue(at))
                return true;
        return Waiting.Count > 0
            || (Holds(QuotaLimit.Concurrency) && (at.Silence >= timeout / 3 || since != _confirmedSince))
            || (Holds(QuotaLimit.Minute) && (at.Silence >= Refresh || since != _confirmedSince))
            || (Holds(QuotaLimit.Day) && (at.Silence >= Refresh || since != _confirmedSince || !at.IsOfToday));
    }

    public QuotaReport Report(string gateway, long sequence, int gateways, in QuotaMoment now)
    {
        var at = Situation(QuotaKnowledge.Claims, gateways, now);
        var uses = ImmutableArray.CreateBuilder<QuotaUse>();
        long tokens = 0;
        foreach (var waiter in Waiting)
        {
            waiter.IsReported = true;
            tokens += waiter.Demand.Tokens;
        }

        Total.Report(Waiting.Count, tokens, at, uses);
        foreach (var model in _models.Values)
        {
            var (requests, ofModel) = (0, 0L);
            foreach (var waiter in Waiting)
                if (waiter.Demand.ModelLimits is not null && waiter.Demand.Model == model.Model)
                    (requests, ofModel) = (requests + 1, ofModel + waiter.Demand.Tokens);
            model.Report(requests, ofModel, at, uses);
        }

        return new QuotaReport(gateway, id, sequence, _acknowledged, _confirmedSince, timeout, Today(now), uses.ToImmutable());
    }

    public void Apply(QuotaReport report, QuotaResult answer, TimeSpan sentAt)
    {
        _acknowledged = report.Sequence;
        (_confirmedAt, _confirmedDay, _confirmedSince, _isCareful) = (sentAt, report.Day, answer.Since, answer.IsCareful);
        Total.Apply(report, answer);
        foreach (var model in _models.Values)
            model.Apply(report, answer);
    }

    private static long Today(in QuotaMoment now) => now.Utc.Ticks / TimeSpan.TicksPerDay;

    private QuotaSituation Situation(QuotaKnowledge knowledge, int gateways, in QuotaMoment now) => new(
        knowledge, gateways, _failClosed, _isCareful, _confirmedAt is { } confirmed ? now.Elapsed - confirmed : TimeSpan.MaxValue, timeout, _confirmedDay == Today(now), now);

    private QuotaSituation Prepare(in QuotaDemand demand, QuotaKnowledge knowledge, int gateways, in QuotaMoment now, out QuotaScope? model)
    {
        _failClosed = demand.FailClosed;
        var at = Situation(knowledge, gateways, now);
        Total.Prepare(demand.Limits, at);
        model = demand.ModelLimits is null ? null : Of(demand.Model);
        model?.Prepare(demand.ModelLimits!, at);
        return at;
    }

    private QuotaRefusal CheckShared(QuotaScope? model, long tokens, in QuotaSituation at)
    {
        var refusal = Total.CheckShared(tokens, at);
        return refusal.Limit == QuotaLimit.None && model is not null ? model.CheckShared(tokens, at) : refusal;
    }

    private bool Holds(QuotaLimit kind) => Total.Holds(kind) || _models.Values.Any(m => m.Holds(kind));

    private QuotaLevels Levels(QuotaScope? model, in QuotaSituation at)
    {
        var levels = Total.Levels(at);
        if (model is null)
            return levels;
        var ofModel = model.Levels(at);
        return new QuotaLevels(QuotaLevel.Tighter(levels.Requests, ofModel.Requests), QuotaLevel.Tighter(levels.Tokens, ofModel.Tokens));
    }
}
