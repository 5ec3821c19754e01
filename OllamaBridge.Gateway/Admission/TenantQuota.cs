using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Admission;

/// <summary>A request that waits for what others have of its tenant's limits.</summary>
internal sealed class QuotaWaiter(QuotaDemand demand) : TaskCompletionSource<QuotaLease>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    /// <summary>What it needs.</summary>
    public QuotaDemand Demand => demand;

    /// <summary>Whether others have been asked since it came.</summary>
    public bool IsAsked { get; set; }
}

/// <summary>What a gateway knows of one tenant's limits. Everything is guarded by its lock: all its limits are taken together or not at all.</summary>
/// <param name="id">Whose.</param>
/// <param name="timeout">After which a gateway that is not heard counts no longer.</param>
internal sealed class TenantQuota(string id, TimeSpan timeout)
{
    // Often enough that what was forgotten there is soon said again, seldom enough to cost nothing.
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(20);
    private readonly Dictionary<string, QuotaScope> _models = new(StringComparer.Ordinal);
    private TimeSpan? _heardAt;
    private long _heardDay;
    private long _heardSince;
    private bool _isCareful;
    private bool _failClosed;
    private long _acknowledged;
    private (QuotaRefusal Refusal, long Tokens, TimeSpan Until) _refused;

    /// <summary>Whose.</summary>
    public string Id => id;

    /// <summary>Guards everything.</summary>
    public Lock Lock { get; } = new();

    /// <summary>What holds for all models together.</summary>
    public QuotaScope Total { get; } = new("");

    /// <summary>Who waits for an answer, in the order in which they came.</summary>
    public LinkedList<QuotaWaiter> Waiting { get; } = new();

    /// <summary>Whether others are being asked.</summary>
    public bool IsExchanging { get; set; }

    /// <summary>Whether it has been forgotten: whoever finds it looks again.</summary>
    public bool IsDropped { get; set; }

    /// <summary>Whether there is nothing to remember.</summary>
    public bool IsIdle => !IsExchanging && Waiting.Count == 0 && Total.IsIdle && _models.Values.All(m => m.IsIdle);

    /// <summary>What holds for one model.</summary>
    public QuotaScope Of(string model)
    {
        // As many as the tenant has limits for models.
        if (!_models.TryGetValue(model, out var scope))
            _models.Add(model, scope = new QuotaScope(model));
        return scope;
    }

    /// <summary>Takes what a request needs, or says why not.</summary>
    /// <param name="demand">What it needs.</param>
    /// <param name="knowledge">How much is known.</param>
    /// <param name="gateways">How many gateways there are.</param>
    /// <param name="now">The moment.</param>
    /// <param name="lease">Makes a lease of what was taken.</param>
    /// <returns>Null where others have to be asked first.</returns>
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
                // Others were asked for no more than this a moment ago.
                if (now.Elapsed >= _refused.Until || demand.Tokens < _refused.Tokens || refusal.Limit != _refused.Refusal.Limit || refusal.OfModel != _refused.Refusal.OfModel)
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

    /// <summary>A request is to be asked for, whatever there may be for it already: others came before it.</summary>
    public void Expect(in QuotaDemand demand, int gateways, in QuotaMoment now) => Prepare(demand, QuotaKnowledge.Claims, gateways, now, out _);

    /// <summary>Remembers that others were asked and that it was not enough.</summary>
    public void Remember(QuotaLease lease, in QuotaDemand demand, TimeSpan until)
    {
        // A model's limit is one of several, and they are not told apart.
        if (!lease.IsAcquired && lease.Refusal is { OfModel: false, Limit: not QuotaLimit.Unavailable })
            _refused = (lease.Refusal, demand.Tokens, until);
    }

    /// <summary>A request has ended.</summary>
    public void Settle(QuotaScope? model, long reserved, long used, in QuotaMoment now)
    {
        Total.Counter.Settle(reserved, used, now);
        model?.Counter.Settle(reserved, used, now);
        _refused = default;
    }

    /// <summary>Whether this gateway has claimed so much that another may miss what ends here.</summary>
    /// <param name="model">The model's limits that it counted against; null for none.</param>
    public bool IsTight(QuotaScope? model) => Total.IsTight || model?.IsTight == true;

    /// <summary>An interval has passed.</summary>
    public void Pass()
    {
        Total.Pass();
        foreach (var model in _models.Values)
            model.Pass();
    }

    /// <summary>Nobody comes any more: nothing is kept for whoever came lately.</summary>
    public void Rest()
    {
        Total.Rest();
        foreach (var model in _models.Values)
            model.Rest();
    }

    /// <summary>Whether there is something to say.</summary>
    /// <param name="since">The mark of the latest answer that anybody's report got.</param>
    /// <param name="gateways">How many gateways there are.</param>
    /// <param name="now">The moment.</param>
    public bool IsDue(long since, int gateways, in QuotaMoment now)
    {
        var at = Situation(QuotaKnowledge.Claims, gateways, now);
        if (Total.IsDue(at))
            return true;
        foreach (var model in _models.Values)
            if (model.IsDue(at))
                return true;
        return Waiting.Count > 0
            || (Holds(QuotaLimit.Concurrency) && (at.Silence >= timeout / 3 || since != _heardSince))
            || (Holds(QuotaLimit.Minute) && (at.Silence >= Refresh || since != _heardSince))
            || (Holds(QuotaLimit.Day) && (at.Silence >= Refresh || since != _heardSince || !at.IsOfToday));
    }

    /// <summary>What is to be said; who waits now is asked for by it.</summary>
    public QuotaReport Report(string gateway, long sequence, int gateways, in QuotaMoment now)
    {
        var at = Situation(QuotaKnowledge.Claims, gateways, now);
        var uses = ImmutableArray.CreateBuilder<QuotaUse>();
        long tokens = 0;
        foreach (var waiter in Waiting)
        {
            waiter.IsAsked = true;
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

        return new QuotaReport(gateway, id, sequence, _acknowledged, _heardSince, timeout, Today(now), uses.ToImmutable());
    }

    /// <summary>What was answered to it.</summary>
    /// <param name="report">What was said.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="saidAt">When it was said.</param>
    public void Hear(QuotaReport report, QuotaAnswer answer, TimeSpan saidAt)
    {
        _acknowledged = report.Sequence;
        (_heardAt, _heardDay, _heardSince, _isCareful) = (saidAt, report.Day, answer.Since, answer.IsCareful);
        Total.Hear(report, answer);
        foreach (var model in _models.Values)
            model.Hear(report, answer);
    }

    private static long Today(in QuotaMoment now) => now.Utc.Ticks / TimeSpan.TicksPerDay;

    private QuotaSituation Situation(QuotaKnowledge knowledge, int gateways, in QuotaMoment now) => new(
        knowledge, gateways, _failClosed, _isCareful, _heardAt is { } heard ? now.Elapsed - heard : TimeSpan.MaxValue, timeout, _heardDay == Today(now), now);

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
