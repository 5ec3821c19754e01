using System.Collections.Immutable;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>The information about other gateways that a decision is based on.</summary>
internal enum QuotaKnowledge
{
    Alone,

    /// <summary>This gateway's claims, without a call to the shared state.</summary>
    Claims,

    /// <summary>The shared state's response for this decision.</summary>
    Answered,

    Lost,
}

/// <summary>The input of a decision, besides this gateway's own counts.</summary>
/// <param name="IsCareful">Whether some gateways may not have reported their use yet.</param>
/// <param name="Silence">The time since this tenant's claims were last confirmed.</param>
internal readonly record struct QuotaSituation(
    QuotaKnowledge Knowledge, int Gateways, bool FailClosed, bool IsCareful, TimeSpan Silence, TimeSpan Timeout, bool IsOfToday, QuotaMoment Now)
{
    /// <summary>Whether a claim is still valid. The shared state keeps a claim for longer than this gateway relies on it.</summary>
    public bool Holds(QuotaLimit kind) => kind switch
    {
        QuotaLimit.Concurrency => Silence < Timeout,
        QuotaLimit.Minute => Silence < QuotaCounter.Minute,
        // After midnight, yesterday's claim remains valid until this gateway has had time to report.
        QuotaLimit.Day => IsOfToday || Silence < Timeout,
        _ => true,
    };
}

/// <summary>One set of a tenant's limits; <paramref name="model"/> is empty for all models together. Guarded by the tenant's lock.</summary>
internal sealed class QuotaScope(string model)
{
    // Ordered by how long a limit refuses requests once it is reached, longest first.
    private readonly QuotaClaim[] _claims = [new(QuotaLimit.Day), new(QuotaLimit.Minute), new(QuotaLimit.Concurrency)];
    private readonly QuotaClaim _permits = new(QuotaLimit.Requests);
    private UsageLimits _limits = new();

    public string Model => model;

    public QuotaCounter Counter { get; } = new();

    public bool IsIdle => Counter is { InFlight: 0, Reserved: 0, SpentInMinute: 0, SpentInDay: 0 } && _permits is { Held: 0, Recent: 0 }
        && Array.TrueForAll(_claims, c => c is { Held: 0, Reported: (0, 0), Recent: 0 });

    public void Prepare(UsageLimits limits, in QuotaSituation at)
    {
        _limits = limits;
        Counter.Advance(at.Now);
        if (at.Knowledge == QuotaKnowledge.Alone)
            Counter.Fill(limits.RequestsPerSecond, at.Now);
        else if (at is { Knowledge: QuotaKnowledge.Lost, FailClosed: false })
            Counter.Fill(limits.RequestsPerSecond / at.Gateways, at.Now);
    }

    public QuotaRefusal CheckOwn(long tokens, in QuotaSituation at)
    {
        var refusal = Counter.CheckUse(_limits, tokens, model.Length > 0, at.Now);
        return refusal.Limit == QuotaLimit.None && at.Knowledge == QuotaKnowledge.Alone
            ? Counter.CheckPace(_limits.RequestsPerSecond, model.Length > 0)
            : refusal;
    }

    public QuotaRefusal CheckShared(long tokens, in QuotaSituation at)
    {
        foreach (var claim in _claims)
            if (Limit(claim.Kind) is { } limit && Need(claim.Kind, tokens) is > 0 and var need && !Fits(claim, limit, need, at))
                return Refuse(claim, limit, need, at);
        if (_limits.RequestsPerSecond is not { } rate || _permits.Held > 0)
            return default;
        return at.Knowledge switch
        {
            QuotaKnowledge.Lost when at.FailClosed => Unavailable(rate),
            QuotaKnowledge.Lost =>
                Counter.CheckPace(rate / at.Gateways, model.Length > 0) is { Limit: not QuotaLimit.None } refusal ? refusal with { Allowed = rate } : default,
            _ => new QuotaRefusal(QuotaLimit.Requests, rate, model.Length > 0, QuotaCounter.UntilPermits(1 - _permits.Left, rate)),
        };
    }

    public void Take(long tokens)
    {
        var hasPermit = _permits.Held > 0;
        Counter.Take(tokens, _limits.RequestsPerSecond is not null && !hasPermit ? 1 : 0);
        if (hasPermit)
            _permits.Held--;
        _permits.Admit(1);
        foreach (var claim in _claims)
            claim.Admit(Need(claim.Kind, tokens));
    }

    public QuotaLevels Levels(in QuotaSituation at) => at.Knowledge == QuotaKnowledge.Alone
        ? Counter.Levels(_limits, default, at.Now)
        : Counter.Levels(
            _limits,
            new QuotaElsewhere(
                _claims[1].OthersUsed, _claims[0].OthersUsed, at is { Knowledge: QuotaKnowledge.Lost, FailClosed: false } ? null : _permits.Held + Left(at)),
            at.Now);

    /// <summary>Whether an eighth or less of a limit is unclaimed, so that another gateway may need the capacity of a request that ends on this one.</summary>
    public bool IsTight
    {
        get
        {
            foreach (var claim in _claims)
                if (Limit(claim.Kind) is { } limit && limit - claim.OthersUsed - claim.Held <= limit / 8)
                    return true;
            return false;
        }
    }

    public void Pass()
    {
        _permits.Pass();
        foreach (var claim in _claims)
            claim.Pass();
    }

    public void Rest()
    {
        _permits.Rest();
        foreach (var claim in _claims)
            claim.Rest();
    }

    /// <summary>Whether it has a claim that expires without reports.</summary>
    public bool Holds(QuotaLimit kind) => Array.Exists(_claims, c => c.Kind == kind && c.Held > 0);

    /// <summary>Whether the use or the wanted claim differs from the last report.</summary>
    public bool IsDue(in QuotaSituation at)
    {
        Counter.Advance(at.Now);
        foreach (var claim in _claims)
            if (claim.Reported != (Limit(claim.Kind) is { } limit ? (Used(claim.Kind), RequestFor(claim, limit, 0, at.Gateways)) : (0, 0)))
                return true;
        return _permits.Held != Permits(0, at);
    }

    /// <summary>Adds the scope's uses to a report. The waiting requests need <paramref name="tokens"/> tokens together.</summary>
    public void Report(int requests, long tokens, in QuotaSituation at, ImmutableArray<QuotaUse>.Builder into)
    {
        Counter.Advance(at.Now);
        foreach (var claim in _claims)
        {
            if (!at.Holds(claim.Kind))
                claim.Held = 0;
            if (Limit(claim.Kind) is not { } limit)
            {
                claim.Report(0, 0);
                continue;
            }

            var used = Used(claim.Kind);
            var requested = RequestFor(claim, limit, claim.Kind == QuotaLimit.Concurrency ? requests : tokens, at.Gateways);
            claim.Report(used, requested);
            var careful = at.FailClosed ? claim.Held : Math.Max(claim.Held, QuotaPortions.EvenShare(limit, at.Gateways));
            into.Add(new QuotaUse(claim.Kind, model, limit, used, Spent(claim.Kind), requested, careful));
        }

        if (_limits.RequestsPerSecond is not { } rate)
            return;
        var wanted = Permits(requests, at);
        var back = Math.Max(0, _permits.Held - wanted);
        _permits.Held -= back;
        var more = wanted - _permits.Held;
        into.Add(new QuotaUse(QuotaLimit.Requests, model, rate, back, 0, more, more));
    }

    public void Apply(QuotaReport report, QuotaResult answer)
    {
        for (var i = 0; i < report.Uses.Length; i++)
            if (report.Uses[i].Model == model)
                Claim(report.Uses[i].Kind).Apply(answer.Grants[i]);
    }

    private QuotaClaim Claim(QuotaLimit kind) => kind == QuotaLimit.Requests ? _permits : Array.Find(_claims, c => c.Kind == kind)!;

    private bool Fits(QuotaClaim claim, long limit, long need, in QuotaSituation at)
    {
        var used = Used(claim.Kind);
        // At least one request is allowed, so that the tenant is still served.
        return at is { Knowledge: QuotaKnowledge.Lost, FailClosed: false }
            ? used == 0 || used + need <= Math.Max(claim.Held, QuotaPortions.EvenShare(limit, at.Gateways))
            : used + need <= (at.Holds(claim.Kind) ? claim.Held : 0);
    }

    private QuotaRefusal Refuse(QuotaClaim claim, long limit, long need, in QuotaSituation at)
    {
        var isSpent = claim.OthersUsed + Used(claim.Kind) + need > limit;
        if (at.FailClosed && (at.Knowledge == QuotaKnowledge.Lost || (at.IsCareful && !isSpent)))
            return Unavailable(limit);
        var isOver = claim.Kind == QuotaLimit.Day && at.Knowledge == QuotaKnowledge.Answered && claim.OthersSpent + Spent(claim.Kind) + need > limit;
        return new QuotaRefusal(claim.Kind, limit, model.Length > 0, isOver ? QuotaCounter.UntilTomorrow(at.Now) : QuotaCounter.UnknownWait);
    }

    private QuotaRefusal Unavailable(double limit) => new(QuotaLimit.Unavailable, limit, model.Length > 0, QuotaCounter.UnknownWait);

    private long RequestFor(QuotaClaim claim, long limit, long pending, int gateways) =>
        QuotaPortions.Request(new QuotaWish(limit, Used(claim.Kind), pending, claim.Recent, claim.OthersUsed, gateways));

    private long Permits(int pending, in QuotaSituation at) => _limits.RequestsPerSecond is null ? 0
        : QuotaPortions.Request(new QuotaWish(pending + _permits.Held + (long)Left(at), 0, pending, _permits.Recent, 0, at.Gateways));

    /// <summary>Permits that no gateway has, extrapolated from the last response as if none were taken since.</summary>
    private double Left(in QuotaSituation at) => _limits.RequestsPerSecond is { } rate
        ? Math.Min(QuotaCounter.Burst(rate), _permits.Left + (at.Silence.TotalSeconds * rate))
        : 0;

    private long? Limit(QuotaLimit kind) => kind switch
    {
        QuotaLimit.Day => _limits.TokensPerDay,
        QuotaLimit.Minute => _limits.TokensPerMinute,
        _ => _limits.ConcurrentRequests,
    };

    private static long Need(QuotaLimit kind, long tokens) => kind == QuotaLimit.Concurrency ? 1 : tokens;

    private long Used(QuotaLimit kind) => kind == QuotaLimit.Concurrency ? Counter.InFlight : Spent(kind) + Counter.Reserved;

    private long Spent(QuotaLimit kind) => kind switch
    {
        QuotaLimit.Day => Counter.SpentInDay,
        QuotaLimit.Minute => Counter.SpentInMinute,
        _ => 0,
    };
}
