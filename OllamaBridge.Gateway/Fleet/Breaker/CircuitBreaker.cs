namespace OllamaBridge.Gateway.Fleet.Breaker;

internal enum BreakerState
{
    Closed,

    Open,

    /// <summary>One probe request passes; its result closes or reopens the circuit.</summary>
    HalfOpen,
}

/// <summary>The circuit breaker of one model on one instance. A result counts only in the <see cref="Epoch"/> in which its request began. Not thread-safe.</summary>
internal sealed class CircuitBreaker
{
    // On trial after an open period, a second failure in a row opens the circuit again.
    private const int FailuresOnTrial = 2;
    private readonly FailureWindow _window = new();
    private int _failures;
    private int _timeOuts;
    private int _openings;
    private long _trialUntil;

    /// <summary>The tick at which the open time ends; 0 if the circuit is closed.</summary>
    public long OpenUntil { get; private set; }

    public bool IsProbing { get; private set; }

    /// <summary>Grows each time that the circuit opens or is replaced.</summary>
    public int Epoch { get; private set; }

    public BreakerState StateAt(long now) =>
        OpenUntil == 0 ? BreakerState.Closed : now < OpenUntil ? BreakerState.Open : BreakerState.HalfOpen;

    /// <returns>False if the open time is not over, or if a probe is running.</returns>
    public bool TryProbe(long now)
    {
        if (StateAt(now) != BreakerState.HalfOpen || IsProbing)
            return false;
        return IsProbing = true;
    }

    public void AbandonProbe() => IsProbing = false;

    /// <returns>Whether it closed the circuit.</returns>
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

    /// <summary>Records a failure that is the instance's fault. Returns whether it opened the circuit.</summary>
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
        OpenUntil = now + Math.Max(1, JitteredBackoff.Next(rules.OpenTime, rules.MaxOpenTime, _openings++, chance));
        Forget();
        return true;
    }

    /// <summary>Lets a request probe at once, because the instance was away and is back.</summary>
    public void EndOpenTime(long now)
    {
        if (OpenUntil > now)
            OpenUntil = Math.Max(1, now);
    }

    /// <summary>Closes the circuit with a trial until <paramref name="until"/>, because another process replaced the one that failed. Earlier results are ignored.</summary>
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
