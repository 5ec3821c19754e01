namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>All restrictions on one model on one instance. Changes take a small lock; the published condition is read without it.</summary>
/// <remarks>
/// Created at the first use of the placement. Without a restriction it is called only once for each request that ends;
/// <see cref="ModelState.Restricted"/> shows decisions whether to read it at all.
/// </remarks>
internal sealed class PlacementGuard(PlacementState placement)
{
    private readonly Lock _lock = new();
    private readonly CircuitBreaker _breaker = new();
    private readonly SpeedHistory _speed = new();
    private int _busyInRow;
    private bool _isRetired;

    // Written under the lock, read without it.
    private long _openUntil;
    private long _busyUntil;
    private long _rampFrom;
    private long _rampUntil;
    private long _slowProbeAt;
    private long _memoryUntil;
    private long _limitUntil;
    private volatile int _limit;
    private volatile int _epoch;
    private volatile bool _rampIsInstances;
    private volatile bool _isProbing;
    private volatile bool _isOnCpu;
    private volatile bool _isSlow;
    private volatile bool _wasRestricted;

    /// <summary>Whether it has ever held back a request; only then does telemetry report it.</summary>
    public bool WasRestricted => _wasRestricted;

    /// <summary>For a lease that begins while there is no restriction.</summary>
    public GuardEntry Entry => new(this, _epoch, IsProbe: false);

    /// <summary>The usual speed in tokens a second; <see cref="double.NaN"/> if unknown.</summary>
    public double UsualSpeed
    {
        get
        {
            lock (_lock)
                return _speed.Usual;
        }
    }

    /// <summary>The condition at a time, regardless of the running requests.</summary>
    public PlacementCondition ConditionAt(long now)
    {
        if (Volatile.Read(ref _openUntil) is not 0 and var open)
            return now < open ? PlacementCondition.Open : _isProbing ? PlacementCondition.Probing : PlacementCondition.HalfOpen;
        if (now < Volatile.Read(ref _busyUntil))
            return PlacementCondition.Busy;
        if (_isOnCpu)
            return PlacementCondition.OnCpu;
        if (now < Volatile.Read(ref _memoryUntil))
            return PlacementCondition.ShortOfMemory;
        if (_isSlow)
            return !_isProbing && now >= Volatile.Read(ref _slowProbeAt) ? PlacementCondition.SlowDue : PlacementCondition.Slow;
        return now < Volatile.Read(ref _rampUntil) ? PlacementCondition.SlowStart : PlacementCondition.Steady;
    }

    /// <summary>The condition at a time, including the limit on parallel requests.</summary>
    public PlacementCondition ConditionFor(long now)
    {
        var condition = ConditionAt(now);
        return condition is not (PlacementCondition.Open or PlacementCondition.Probing or PlacementCondition.Busy) && IsFull(now)
            ? PlacementCondition.Busy
            : condition;
    }

    /// <summary>Whether it holds as many requests as the instance runs in parallel.</summary>
    public bool IsFull(long now) => LimitAt(now) is > 0 and var limit && placement.Active >= limit;

    /// <summary>The measured limit on the model's parallel requests on this instance; 0 if none is known.</summary>
    public int LimitAt(long now) => now < Volatile.Read(ref _limitUntil) ? _limit : 0;

    /// <summary>Limits the model's parallel requests to <paramref name="limit"/> (at least 1) until <paramref name="until"/>.</summary>
    /// <returns>Whether the limit is new.</returns>
    public bool Limit(int limit, long until, long now)
    {
        lock (_lock)
        {
            var isNew = LimitAt(now) != limit;
            if (isNew)
            {
                _limit = limit;
                Volatile.Write(ref _limitUntil, until);
            }

            Publish(now);
            return isNew;
        }
    }

    /// <summary>The time until the condition changes, in ticks; 0 if it does not change by time alone.</summary>
    public long Left(long now) => Math.Max(0, ConditionAt(now) switch
    {
        PlacementCondition.Open => Volatile.Read(ref _openUntil) - now,
        PlacementCondition.Busy => Volatile.Read(ref _busyUntil) - now,
        PlacementCondition.SlowStart => Volatile.Read(ref _rampUntil) - now,
        PlacementCondition.ShortOfMemory => Volatile.Read(ref _memoryUntil) - now,
        PlacementCondition.Slow => Volatile.Read(ref _slowProbeAt) - now,
        _ => 0,
    });

    /// <summary>Whether it is in its slow start and holds as many requests as that allows.</summary>
    public bool IsAtLimit(Instance instance, long now) => Used(instance) >= Limit(instance, now);

    /// <summary>The number of the instance's slots that can be used during the instance's slow start; unlimited if only the model is in slow start.</summary>
    public int InstanceLimit(Instance instance, long now) => _rampIsInstances ? Limit(instance, now) : int.MaxValue;

    /// <summary>
    /// Begins a lease if the condition allows it, and counts its request in the same step. <paramref name="slowly"/>: whether other instances have
    /// the model, so that the limit of a slow start applies.
    /// </summary>
    public bool TryEnter(Instance instance, long now, bool slowly, out GuardEntry entry)
    {
        lock (_lock)
        {
            entry = new GuardEntry(this, _breaker.Epoch, IsProbe: false);
            switch (ConditionFor(now))
            {
                case PlacementCondition.Open or PlacementCondition.Busy or PlacementCondition.Probing:
                    return false;
                case PlacementCondition.SlowStart when slowly && !_rampIsInstances && IsAtLimit(instance, now):
                    return false;
                case PlacementCondition.HalfOpen:
                    if (!_breaker.TryProbe(now))
                        return false;
                    entry = entry with { IsProbe = true };
                    break;
                case PlacementCondition.SlowDue:
                    _isProbing = true;
                    entry = entry with { IsProbe = true };
                    break;
            }

            placement.Enter(now);
            Publish(now);
            return true;
        }
    }

    /// <summary>Records that the instance begins a valid response, which is enough to close a half-open circuit.</summary>
    /// <returns>Whether it closed the circuit.</returns>
    public bool Answering(in GuardEntry entry, long now, BreakerRules rules)
    {
        if (!entry.IsProbe)
            return false;
        lock (_lock)
            return _breaker.OpenUntil != 0 && Succeed(entry, now, rules);
    }

    /// <summary>Records a complete response. <paramref name="tokensPerSecond"/> is 0 if unknown.</summary>
    public GuardChange Succeeded(in GuardEntry entry, double tokensPerSecond, long now, BreakerRules rules)
    {
        lock (_lock)
        {
            _busyInRow = 0;
            Volatile.Write(ref _memoryUntil, 0);
            var closed = Succeed(entry, now, rules);
            var speed = tokensPerSecond > 0 && _speed.Add(tokensPerSecond, rules.Options);
            _isSlow = _speed.IsSlow;
            if (entry.IsProbe || (speed && _isSlow))
                Volatile.Write(ref _slowProbeAt, now + rules.SlowProbeInterval);
            Publish(now);
            return closed ? GuardChange.Closed : !speed ? GuardChange.None : _isSlow ? GuardChange.Slowed : GuardChange.Recovered;
        }
    }

    /// <summary>Records a failure that is the instance's fault.</summary>
    /// <returns>Whether it opened the circuit.</returns>
    public bool Failed(in GuardEntry entry, InstanceFailure failure, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            var opened = _breaker.Fail(entry.Epoch, entry.IsProbe, failure == InstanceFailure.TimedOut, now, rules, chance);
            Publish(now);
            return opened;
        }
    }

    /// <summary>Records a busy response. <paramref name="asked"/> is its <c>Retry-After</c> in ticks; 0 if it has none.</summary>
    public void Busy(long asked, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            // Requests that ran in parallel report the same busy period once.
            var isNews = now >= _busyUntil;
            Volatile.Write(
                ref _busyUntil, Math.Max(_busyUntil, now + JitteredBackoff.Busy(asked, isNews ? _busyInRow++ : Math.Max(0, _busyInRow - 1), rules, chance)));
            Publish(now);
        }
    }

    /// <summary>Ends a lease. A probe without a result lets another request probe.</summary>
    public void Leave(in GuardEntry entry, long now)
    {
        if (!entry.IsProbe)
            return;
        lock (_lock)
        {
            if (entry.Epoch == _breaker.Epoch)
                _breaker.AbandonProbe();
            _isProbing = false;
            Publish(now);
        }
    }

    /// <summary>
    /// Records that the instance was away and is back, and starts a slow start of <paramref name="slowStart"/> ticks. If another process replaced the
    /// one that failed (<paramref name="isAnother"/>), the circuit closes: the slow start is trial enough.
    /// </summary>
    public void Return(long now, long slowStart, bool isAnother = false)
    {
        lock (_lock)
        {
            ForgetLimit();
            if (isAnother)
                _breaker.Replace(now + slowStart);
            _breaker.EndOpenTime(now);
            _isProbing &= !isAnother;
            Ramp(now, slowStart, isInstances: true);
            Publish(now);
        }
    }

    public void SetOnCpu(bool isOnCpu, long now)
    {
        if (_isOnCpu == isOnCpu)
            return;
        lock (_lock)
        {
            _isOnCpu = isOnCpu;
            Publish(now);
        }
    }

    /// <summary>Records that the model did not fit into the instance's memory; it is avoided there for <paramref name="duration"/> ticks.</summary>
    public void SetShortOfMemory(long now, long duration)
    {
        lock (_lock)
        {
            Volatile.Write(ref _memoryUntil, now + duration);
            Publish(now);
        }
    }

    public void Unloaded(long now)
    {
        if (!_isSlow && Volatile.Read(ref _limitUntil) == 0)
            return;
        lock (_lock)
        {
            ForgetLimit();
            _speed.Reload();
            _isSlow = false;
            Publish(now);
        }
    }

    /// <summary>Publishes the condition again, because time has passed.</summary>
    public void Refresh(long now)
    {
        if (!placement.IsRestricted)
            return;
        lock (_lock)
            Publish(now);
    }

    /// <summary>Ends all restrictions, because the placement is gone.</summary>
    public void Retire()
    {
        lock (_lock)
        {
            _isRetired = true;
            placement.SetRestricted(false);
        }
    }

    private bool Succeed(in GuardEntry entry, long now, BreakerRules rules)
    {
        var closed = _breaker.Succeed(entry.Epoch, entry.IsProbe && _breaker.IsProbing, now, rules);
        if (closed)
            Ramp(now, rules.SlowStart, isInstances: false);
        Publish(now);
        return closed;
    }

    private void ForgetLimit()
    {
        Volatile.Write(ref _limitUntil, 0);
        placement.Overlaps.Clear();
    }

    private void Ramp(long now, long slowStart, bool isInstances)
    {
        _rampIsInstances = isInstances;
        Volatile.Write(ref _rampFrom, now);
        Volatile.Write(ref _rampUntil, slowStart == 0 ? 0 : now + slowStart);
    }

    private int Used(Instance instance) => _rampIsInstances ? instance.SlotsUsed : placement.Active;

    private int Limit(Instance instance, long now) =>
        SlowStart.Limit(instance.Slots, Volatile.Read(ref _rampFrom), Volatile.Read(ref _rampUntil), now);

    private void Publish(long now)
    {
        _epoch = _breaker.Epoch;
        Volatile.Write(ref _openUntil, _breaker.OpenUntil);
        if (_breaker.OpenUntil != 0)
            _isProbing = _breaker.IsProbing;
        var isRestricted = !_isRetired
            && (_breaker.OpenUntil != 0 || now < _busyUntil || now < _memoryUntil || _isOnCpu || _isSlow || now < _rampUntil || now < _limitUntil);
        _wasRestricted |= isRestricted;
        placement.SetRestricted(isRestricted);
    }
}

/// <summary>A lease's reference to the guard that granted it; <c>default</c> if there is none.</summary>
internal readonly record struct GuardEntry(PlacementGuard? Guard, int Epoch, bool IsProbe);

/// <summary>The change that a response caused.</summary>
internal enum GuardChange
{
    None,

    Closed,

    Slowed,

    Recovered,
}
