using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a tenant has had of one model: weighted tokens over the tenant's weight.</summary>
internal sealed class TenantCounter(string tenant)
{
    private double _value;

    /// <summary>Whose.</summary>
    public string Tenant { get; } = tenant;

    /// <summary>Weighted tokens over weight. Who has the least is next.</summary>
    public double Value
    {
        get => Volatile.Read(ref _value);
        internal set => Volatile.Write(ref _value, value);
    }

    /// <summary>How many tokens its answers have had lately; <see cref="double.NaN"/> before the first.</summary>
    public double AnswerTokens { get; internal set; } = double.NaN;

    /// <summary>Requests that wait.</summary>
    public int Waiting { get; internal set; }

    /// <summary>Requests that were served and are not settled yet.</summary>
    public int Running { get; internal set; }
}

/// <summary>
/// Virtual token counters of one model and class (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024, algorithm 2):
/// who was served pays, who comes back is lifted to those that wait, so that nobody saves up.
/// </summary>
/// <remarks>
/// No clock, no chance, no waiting: the same calls make the same counters. Each call is atomic, with a lock held for some additions.
/// <para>
/// What an answer will take is charged by estimate when the request is served (the paper's variant with length prediction): the tenant's recent
/// mean, else that of all. Else whoever was just given many slots would not look like it until the answers end, and be given more.
/// </para>
/// <para>
/// Between any two tenants <c>f</c>, <c>g</c> that both wait: <c>c_f - c_g ≤ U/w_f + E/w_g</c>. <c>U</c> is the most that all
/// requests running at one time can cost (<c>wp*input + wq*output</c>; with M tokens in a running batch and wq ≥ wp, as by
/// default: at most <c>max(wp*Linput, wq*M)</c> of the paper), <c>E</c> the most by which the estimates of those running exceed the truth
/// (0 with exact ones). Proof: when <c>f</c> was last served, at <c>s</c>, it had the least counter of all that waited, so
/// <c>c_f(s) ≤ c_g(s)</c>; where <c>g</c> did not wait at <c>s</c>, it was lifted when it came, to the least of those that waited or to that of
/// the last that left, none of which is less than <c>c_f(s)</c>. Since <c>s</c>, <c>c_f</c> has grown by what was charged for the request served at
/// <c>s</c> and by the settlement of those of <c>f</c> that ran then, together ≤ <c>U/w_f</c>; <c>c_g</c> has fallen only by corrections
/// of its own, ≤ <c>E/w_g</c>. Hence for any interval in which both wait throughout, the services they were charged, each over its
/// weight, differ by at most twice that: with equal weights and exact estimates the paper's <c>2U</c>.
/// </para>
/// </remarks>
internal sealed class VirtualCounters
{
    /// <summary>Counters that are kept without asking who is idle.</summary>
    public const int Few = 64;

    /// <summary>More than so many idle tenants are never remembered: what they owe, at most <c>U</c> each, is forgiven.</summary>
    public const int Most = 4096;

    // A mean over about the last twenty.
    private const double RecentWeight = 0.1;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, TenantCounter> _counters = new(StringComparer.Ordinal);
    private readonly List<TenantCounter> _waiting = [];
    private TenantCounter? _last;
    private double _answerTokens = double.NaN;
    private int _pruneAt = Few;

    /// <summary>How many tenants are remembered.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _counters.Count;
        }
    }

    /// <summary>A request is served without having waited. To be settled.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="cost">Weighted tokens over weight, as far as known.</param>
    /// <param name="perAnswerToken">What a token of the answer costs: as many as are expected are charged as well.</param>
    /// <param name="expected">Receives how many are expected.</param>
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

    /// <summary>A request begins to wait.</summary>
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

    /// <summary>One that waited is served.</summary>
    /// <param name="counter">Whose.</param>
    /// <param name="cost">Weighted tokens over weight, as far as known.</param>
    /// <param name="perAnswerToken">What a token of the answer costs: as many as are expected are charged as well.</param>
    /// <returns>How many are expected.</returns>
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

    /// <summary>One that waited goes without having been served, or was charged when it was served before.</summary>
    public void Leave(TenantCounter counter)
    {
        lock (_lock)
            LeaveLocked(counter);
    }

    /// <summary>A served request has ended: what it really cost is known.</summary>
    /// <param name="counter">Whose.</param>
    /// <param name="correction">What is still to be charged, or to be given back; weighted tokens over weight.</param>
    /// <param name="answerTokens">What the answer had; null where there was none.</param>
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

    /// <summary>A tenant's counter; null where it is not remembered.</summary>
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

    /// <summary>Forgets who is idle and would be lifted anyway on coming back; if need be, whoever is idle.</summary>
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
