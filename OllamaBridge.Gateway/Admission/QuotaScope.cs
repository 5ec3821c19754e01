using System.Collections.Immutable;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>How much is known when a request is decided.</summary>
internal enum QuotaKnowledge
{
    /// <summary>There are no other gateways.</summary>
    Alone,

    /// <summary>What this gateway may use without asking.</summary>
    Claims,

    /// <summary>What all have, as of just now.</summary>
    Answered,

    /// <summary>Nobody can be asked.</summary>
    Lost,
}

/// <summary>What a decision rests on, beside what is counted here.</summary>
/// <param name="Knowledge">How much is known.</param>
/// <param name="Gateways">How many gateways there are, or were.</param>
/// <param name="FailClosed">Whether nothing is let in that may be too much.</param>
/// <param name="IsCareful">Whether some who have something may not have said so yet.</param>
/// <param name="Silence">Since this tenant's claims were confirmed.</param>
/// <param name="Timeout">After which a gateway counts no longer.</param>
/// <param name="IsOfToday">Whether they were confirmed today.</param>
/// <param name="Now">The moment.</param>
internal readonly record struct QuotaSituation(
    QuotaKnowledge Knowledge, int Gateways, bool FailClosed, bool IsCareful, TimeSpan Silence, TimeSpan Timeout, bool IsOfToday, QuotaMoment Now)
{
    /// <summary>Whether a claim still holds for all others: they take it that it does for longer than this gateway relies on it.</summary>
    public bool Holds(QuotaLimit kind) => kind switch
    {
        QuotaLimit.Concurrency => Silence < Timeout,
        QuotaLimit.Minute => Silence < QuotaCounter.Minute,
        // Yesterday's stands in for today's until it can have been said anew.
        QuotaLimit.Day => IsOfToday || Silence < Timeout,
        _ => true,
    };
}

/// <summary>One set of a tenant's limits: what this gateway has used, and what it may use. Not thread-safe: its tenant's lock guards it.</summary>
/// <param name="model">The model that they are for; empty for all together.</param>
internal sealed class QuotaScope(string model)
{
    // In the order in which they are in the way for long.
    private readonly QuotaClaim[] _claims = [new(QuotaLimit.Day), new(QuotaLimit.Minute), new(QuotaLimit.Concurrency)];
    private readonly QuotaClaim _permits = new(QuotaLimit.Requests);
    private UsageLimits _limits = new();

    /// <summary>The model; empty for all together.</summary>
    public string Model => model;

    /// <summary>What this gateway has used.</summary>
    public QuotaCounter Counter { get; } = new();

    /// <summary>Whether anything is counted or claimed.</summary>
    public bool IsIdle => Counter is { InFlight: 0, Reserved: 0, SpentInMinute: 0, SpentInDay: 0 } && _permits is { Held: 0, Recent: 0 }
        && Array.TrueForAll(_claims, c => c is { Held: 0, Said: (0, 0), Recent: 0 });

    /// <summary>Brings it up to the moment, and to the limits as they are now.</summary>
    public void Prepare(UsageLimits limits, in QuotaSituation at)
    {
        _limits = limits;
        Counter.Advance(at.Now);
        if (at.Knowledge == QuotaKnowledge.Alone)
            Counter.Fill(limits.RequestsPerSecond, at.Now);
        else if (at is { Knowledge: QuotaKnowledge.Lost, FailClosed: false })
            Counter.Fill(limits.RequestsPerSecond / at.Gateways, at.Now);
    }

    /// <summary>Whether a request fits beside what this gateway has used itself.</summary>
    public QuotaRefusal CheckOwn(long tokens, in QuotaSituation at)
    {
        var refusal = Counter.CheckUse(_limits, tokens, model.Length > 0, at.Now);
        return refusal.Limit == QuotaLimit.None && at.Knowledge == QuotaKnowledge.Alone
            ? Counter.CheckPace(_limits.RequestsPerSecond, model.Length > 0)
            : refusal;
    }

    /// <summary>Whether it fits into what this gateway may use.</summary>
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
            QuotaKnowledge.Lost => Counter.CheckPace(rate / at.Gateways, model.Length > 0) is { Limit: not QuotaLimit.None } refusal ? refusal with { Allowed = rate } : default,
            _ => new QuotaRefusal(QuotaLimit.Requests, rate, model.Length > 0, QuotaCounter.UntilPermits(1 - _permits.Left, rate)),
        };
    }

    /// <summary>Takes what a request needs.</summary>
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

    /// <summary>How far the limits are used up.</summary>
    public QuotaLevels Levels(in QuotaSituation at) => at.Knowledge == QuotaKnowledge.Alone
        ? Counter.Levels(_limits, default, at.Now)
        : Counter.Levels(
            _limits,
            new QuotaElsewhere(_claims[1].OthersUsed, _claims[0].OthersUsed, at is { Knowledge: QuotaKnowledge.Lost, FailClosed: false } ? null : _permits.Held + Left(at)),
            at.Now);

    /// <summary>Whether this gateway has claimed so much that another may miss what ends here.</summary>
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

    /// <summary>An interval has passed.</summary>
    public void Pass()
    {
        _permits.Pass();
        foreach (var claim in _claims)
            claim.Pass();
    }

    /// <summary>Nobody comes any more.</summary>
    public void Rest()
    {
        _permits.Rest();
        foreach (var claim in _claims)
            claim.Rest();
    }

    /// <summary>Whether it holds something that lapses where nothing is said.</summary>
    public bool Holds(QuotaLimit kind) => Array.Exists(_claims, c => c.Kind == kind && c.Held > 0);

    /// <summary>Whether there is something to say.</summary>
    public bool IsDue(in QuotaSituation at)
    {
        Counter.Advance(at.Now);
        foreach (var claim in _claims)
            if (claim.Said != (Limit(claim.Kind) is { } limit ? (Used(claim.Kind), Ask(claim, limit, 0, at.Gateways)) : (0, 0)))
                return true;
        return _permits.Held != Permits(0, at);
    }

    /// <summary>What is to be said.</summary>
    /// <param name="requests">How many requests wait for the answer.</param>
    /// <param name="tokens">Tokens that they need.</param>
    /// <param name="at">The situation.</param>
    /// <param name="into">Receives it.</param>
    public void Report(int requests, long tokens, in QuotaSituation at, ImmutableArray<QuotaUse>.Builder into)
    {
        Counter.Advance(at.Now);
        foreach (var claim in _claims)
        {
            if (!at.Holds(claim.Kind))
                claim.Held = 0;
            if (Limit(claim.Kind) is not { } limit)
            {
                claim.Say(0, 0);
                continue;
            }

            var used = Used(claim.Kind);
            var asked = Ask(claim, limit, claim.Kind == QuotaLimit.Concurrency ? requests : tokens, at.Gateways);
            claim.Say(used, asked);
            var careful = at.FailClosed ? claim.Held : Math.Max(claim.Held, QuotaPortions.EvenShare(limit, at.Gateways));
            into.Add(new QuotaUse(claim.Kind, model, limit, used, Spent(claim.Kind), asked, careful));
        }

        if (_limits.RequestsPerSecond is not { } rate)
            return;
        var wanted = Permits(requests, at);
        var back = Math.Max(0, _permits.Held - wanted);
        _permits.Held -= back;
        var more = wanted - _permits.Held;
        into.Add(new QuotaUse(QuotaLimit.Requests, model, rate, back, 0, more, more));
    }

    /// <summary>What was granted of that.</summary>
    public void Hear(QuotaReport report, QuotaAnswer answer)
    {
        for (var i = 0; i < report.Uses.Length; i++)
            if (report.Uses[i].Model == model)
                Claim(report.Uses[i].Kind).Hear(answer.Grants[i]);
    }

    private QuotaClaim Claim(QuotaLimit kind) => kind == QuotaLimit.Requests ? _permits : Array.Find(_claims, c => c.Kind == kind)!;

    private bool Fits(QuotaClaim claim, long limit, long need, in QuotaSituation at)
    {
        var used = Used(claim.Kind);
        // One at least: serving goes on.
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
        return new QuotaRefusal(claim.Kind, limit, model.Length > 0, isOver ? QuotaCounter.UntilTomorrow(at.Now) : QuotaCounter.SomebodyEnds);
    }

    private QuotaRefusal Unavailable(double limit) => new(QuotaLimit.Unavailable, limit, model.Length > 0, QuotaCounter.SomebodyEnds);

    private long Ask(QuotaClaim claim, long limit, long pending, int gateways) =>
        QuotaPortions.Ask(new QuotaWish(limit, Used(claim.Kind), pending, claim.Recent, claim.OthersUsed, gateways));

    /// <summary>How many permits to have.</summary>
    private long Permits(int pending, in QuotaSituation at) => _limits.RequestsPerSecond is null ? 0
        : QuotaPortions.Ask(new QuotaWish(pending + _permits.Held + (long)Left(at), 0, pending, _permits.Recent, 0, at.Gateways));

    /// <summary>Permits that nobody has by now, if nobody took any.</summary>
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
