namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>What a breaker lets through.</summary>
internal enum BreakerState
{
    /// <summary>Everything.</summary>
    Closed,

    /// <summary>Nothing.</summary>
    Open,

    /// <summary>One request, which decides.</summary>
    HalfOpen,
}

/// <summary>The rules by which one model on one instance is given up and taken back. Neither reads a clock nor is safe for threads.</summary>
/// <remarks>
/// What a request shows of the breaker is shown to the one that let it through: each request keeps the <see cref="Epoch"/> in which it
/// began, so that a stream which began before the breaker opened neither closes it nor opens it again.
/// </remarks>
internal sealed class CircuitBreaker
{
    // While it is on trial after having been open, a second failure in a row is enough.
    private const int FailuresOnTrial = 2;
    private readonly FailureWindow _window = new();
    private int _failures;
    private int _timeOuts;
    private int _openings;
    private long _trialUntil;

    /// <summary>Until when it is open; 0 where it is closed.</summary>
    public long OpenUntil { get; private set; }

    /// <summary>Whether the one request that decides is under way.</summary>
    public bool IsProbing { get; private set; }

    /// <summary>Which time between two openings it is.</summary>
    public int Epoch { get; private set; }

    /// <summary>What it lets through.</summary>
    public BreakerState StateAt(long now) =>
        OpenUntil == 0 ? BreakerState.Closed : now < OpenUntil ? BreakerState.Open : BreakerState.HalfOpen;

    /// <summary>Lets the one request through that decides.</summary>
    /// <returns>False where it is not time, or one is under way.</returns>
    public bool TryProbe(long now)
    {
        if (StateAt(now) != BreakerState.HalfOpen || IsProbing)
            return false;
        return IsProbing = true;
    }

    /// <summary>The one that decides has ended without showing anything: the next one may.</summary>
    public void AbandonProbe() => IsProbing = false;

    /// <summary>A request was answered.</summary>
    /// <param name="epoch">When it began.</param>
    /// <param name="isProbe">Whether it is the one that decides.</param>
    /// <param name="now">The moment.</param>
    /// <param name="rules">The rules.</param>
    /// <returns>Whether that closed it.</returns>
    public bool Succeed(int epoch, bool isProbe, long now, BreakerRules rules)
    {
        if (epoch != Epoch || (OpenUntil != 0 && !isProbe))
            return false;
        if (OpenUntil != 0)
        {
            OpenUntil = 0;
            IsProbing = false;
            _trialUntil = now + rules.SlowStart;
            Forget();
            return true;
        }

        if (now >= _trialUntil)
            _openings = 0;
        _failures = _timeOuts = 0;
        _window.Add(now, failed: false);
        return false;
    }

    /// <summary>A request failed through the instance's fault.</summary>
    /// <param name="epoch">When it began.</param>
    /// <param name="isProbe">Whether it is the one that decides.</param>
    /// <param name="timedOut">Whether there was no answer in time.</param>
    /// <param name="now">The moment.</param>
    /// <param name="rules">The rules.</param>
    /// <param name="chance">From 0 to 1.</param>
    /// <returns>Whether that opened it.</returns>
    public bool Fail(int epoch, bool isProbe, bool timedOut, long now, BreakerRules rules, double chance)
    {
        if (epoch != Epoch || (OpenUntil != 0 && !isProbe))
            return false;
        if (OpenUntil == 0)
        {
            _failures++;
            _timeOuts += timedOut ? 1 : 0;
            _window.Add(now, failed: true);
            if (!IsEnough(now, rules))
                return false;
        }

        IsProbing = false;
        Epoch++;
        OpenUntil = now + Math.Max(1, BackOff.Next(rules.OpenTime, rules.MaxOpenTime, _openings++, chance));
        Forget();
        return true;
    }

    /// <summary>The instance was away and is back: whatever is open may be tried at once.</summary>
    public void EndOpenTime(long now)
    {
        if (OpenUntil > now)
            OpenUntil = Math.Max(1, now);
    }

    /// <summary>What failed is no more, and another is in its place: closed, but on trial. What began before shows nothing any more.</summary>
    /// <param name="until">Until when on trial.</param>
    public void Replace(long until)
    {
        if (OpenUntil == 0)
            return;
        Epoch++;
        OpenUntil = 0;
        IsProbing = false;
        _trialUntil = until;
        Forget();
    }

    private bool IsEnough(long now, BreakerRules rules)
    {
        var options = rules.Options;
        if (_failures >= (now < _trialUntil ? Math.Min(FailuresOnTrial, options.ConsecutiveFailures) : options.ConsecutiveFailures)
            || _timeOuts >= options.TimeOuts)
            return true;
        var (total, failed) = _window.CountAfter(now - rules.Window);
        return total >= options.MinimumRequests && failed >= options.FailureRatio * total;
    }

    private void Forget()
    {
        _failures = _timeOuts = 0;
        _window.Clear();
    }
}
