using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>The service that a tenant has received of one model: weighted tokens divided by the tenant's weight.</summary>
internal sealed class TenantCounter(string tenant)
{
    private double _value;

    public string Tenant { get; } = tenant;

    public double Value
    {
        get => Volatile.Read(ref _value);
        internal set => Volatile.Write(ref _value, value);
    }

    /// <summary>The recent mean of tokens per response; <see cref="double.NaN"/> before the first.</summary>
    public double AnswerTokens { get; internal set; } = double.NaN;

    public int Waiting { get; internal set; }

    /// <summary>Requests that were served and are not yet settled.</summary>
    public int Running { get; internal set; }
}

/// <summary>
/// Virtual token counters of one model and class (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024, algorithm 2):
/// a served tenant pays; a returning tenant is lifted to the level of the waiting tenants, so that idle tenants don't save up.
/// </summary>
/// <remarks>
/// Deterministic: uses no clock and no random source. Each call is atomic; the lock is held for a few additions.
/// <para>
/// The expected response tokens are charged when the request is served (the paper's variant with length prediction): the tenant's recent mean,
/// else the mean of all tenants. Otherwise a tenant that just got many slots would keep a low counter until its responses end, and get more.
/// </para>
/// <para>
/// Between any two tenants <c>f</c>, <c>g</c> that both wait: <c>c_f - c_g ≤ U/w_f + E/w_g</c>. <c>U</c> is the most that all
/// requests running at one time can cost (<c>wp*input + wq*output</c>; with M tokens in a running batch and wq ≥ wp, as by
/// default: at most <c>max(wp*Linput, wq*M)</c> of the paper). <c>E</c> is the most by which the estimates of the running requests exceed the
/// actual costs (0 with exact estimates). Proof: when <c>f</c> was last served, at time <c>s</c>, it had the smallest counter of all waiting
/// tenants, so <c>c_f(s) ≤ c_g(s)</c>. If <c>g</c> did not wait at <c>s</c>, it was lifted on arrival to the smallest counter of the waiting
/// tenants, or to the counter of the last tenant that left; neither is less than <c>c_f(s)</c>. Since <c>s</c>, <c>c_f</c> has grown by the charge
/// for the request served at <c>s</c> and by the settlements of the requests of <c>f</c> that ran then, together ≤ <c>U/w_f</c>. <c>c_g</c> has
/// fallen only by corrections of its own requests, ≤ <c>E/w_g</c>. Hence, for any interval in which both wait throughout, the charged services,
/// each divided by the weight, differ by at most twice that bound: with equal weights and exact estimates, the paper's <c>2U</c>.
/// </para>
/// </remarks>
internal sealed class VirtualCounters
{
    public const int Few = 64;

    /// <summary>The maximum number of idle tenants with a counter. Above, their debts (at most <c>U</c> each) are dropped.</summary>
    public const int Most = 4096;

    // The weight of the newest value: a mean over about the last 20.
    private const double RecentWeight = 0.1;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, TenantCounter> _counters = new(StringComparer.Ordinal);
    private readonly List<TenantCounter> _waiting = [];
    private TenantCounter? _last;
    private double _answerTokens = double.NaN;
    private int _pruneAt = Few;

    public int Count
    {
        get
        {
            lock (_lock)
                return _counters.Count;
        }
    }

    /// <summary>Charges a request that is served without waiting: its cost (weighted tokens divided by the weight), and the expected response tokens with
    /// <paramref name="perAnswerToken"/> each. Must be settled.</summary>
    public TenantCounter Admit(string tenant, double cost, double perAnswerToken, out double expected)
    {
        lock (_lock)
        {
            var counter = Get(tenant);
            if (counter.Waiting == 0)
                Lift(counter);
            expected = Expect(counter);
            counter.Value += cost + (expected * perAnswerToken);
            counter.Running++;
            return _last = counter;
        }
    }

    public TenantCounter Join(string tenant)
    {
        lock (_lock)
        {
            var counter = Get(tenant);
            if (counter.Waiting++ == 0)
            {
                Lift(counter);
                _waiting.Add(counter);
            }

            return counter;
        }
    }

    /// <summary>Charges a waiting request that is served, as <see cref="Admit"/> does, and returns the expected response tokens. Must be settled.</summary>
    public double Serve(TenantCounter counter, double cost, double perAnswerToken)
    {
        lock (_lock)
        {
            var expected = Expect(counter);
            counter.Value += cost + (expected * perAnswerToken);
            counter.Running++;
            LeaveLocked(counter);
            return expected;
        }
    }

    /// <summary>Removes a waiting request that was not served, or was charged for an earlier attempt.</summary>
    public void Leave(TenantCounter counter)
    {
        lock (_lock)
            LeaveLocked(counter);
    }

    /// <summary>Settles a served request. <paramref name="correction"/> is weighted tokens divided by the weight, negative for a refund;
    /// <paramref name="answerTokens"/> is null if there was no response.</summary>
    public void Settle(TenantCounter counter, double correction, long? answerTokens)
    {
        lock (_lock)
        {
            counter.Value += correction;
            counter.Running--;
            if (answerTokens is not { } tokens)
                return;
            counter.AnswerTokens = Ewma.Next(counter.AnswerTokens, tokens, RecentWeight);
            _answerTokens = Ewma.Next(_answerTokens, tokens, RecentWeight);
        }
    }

    public double? ValueOf(string tenant)
    {
        lock (_lock)
            return _counters.TryGetValue(tenant, out var counter) ? counter.Value : null;
    }

    private double Expect(TenantCounter counter) =>
        !double.IsNaN(counter.AnswerTokens) ? counter.AnswerTokens : double.IsNaN(_answerTokens) ? 0 : _answerTokens;

    private void LeaveLocked(TenantCounter counter)
    {
        _last = counter;
        if (--counter.Waiting == 0)
            _waiting.Remove(counter);
    }

    private void Lift(TenantCounter counter)
    {
        if (Floor() is var floor && floor > counter.Value)
            counter.Value = floor;
    }

    private double Floor()
    {
        if (_waiting.Count == 0)
            return _last?.Value ?? 0;
        var least = double.PositiveInfinity;
        foreach (var counter in _waiting)
            least = Math.Min(least, counter.Value);
        return least;
    }

    private TenantCounter Get(string tenant)
    {
        if (_counters.TryGetValue(tenant, out var counter))
            return counter;
        if (_counters.Count >= _pruneAt)
            Prune();
        return _counters[tenant] = new TenantCounter(tenant);
    }

    /// <summary>Drops idle tenants that would be lifted on return anyway; at <see cref="Most"/> counters, all idle tenants.</summary>
    private void Prune()
    {
        var floor = Floor();
        foreach (var (tenant, counter) in _counters)
            if (IsIdle(counter) && counter.Value <= floor)
                _counters.Remove(tenant);
        if (_counters.Count >= Most)
            foreach (var (tenant, counter) in _counters)
                if (IsIdle(counter))
                    _counters.Remove(tenant);
        _pruneAt = Math.Max(Few, 2 * _counters.Count);
        if (_counters.Count < Most)
            _pruneAt = Math.Min(_pruneAt, Most);
    }

    private bool IsIdle(TenantCounter counter) => counter is { Waiting: 0, Running: 0 } && counter != _last;
}
