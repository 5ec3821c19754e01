namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>All restrictions on one model on one instance. Changes take a small lock; the published condition is read without it.</summary>
internal sealed class PlacementGuard(PlacementState placement)
{
    private readonly Lock _lock = new();
    private readonly CircuitBreaker _breaker = new();
    private readonly SpeedHistory _speed = new();
    private readonly SlowStartRamp _ramp = new();
    private readonly BusyPeriod _busy = new();
    private readonly ParallelLimit _limit = new();
    private bool _isRetired;

    // Written under the lock, read without it.
    private long _openUntil;
    private long _slowProbeAt;
    private long _memoryUntil;
    private volatile int _epoch;
    private volatile bool _isProbing;
    private volatile bool _isOnCpu;
    private volatile bool _isSlow;
    private volatile bool _wasRestricted;

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

    public PlacementCondition ConditionAt(long now)
    {
        if (Volatile.Read(ref _openUntil) is not 0 and var open)
            return now < open ? PlacementCondition.Open : _isProbing ? PlacementCondition.Probing : PlacementCondition.HalfOpen;
        if (now < _busy.Until)
            return PlacementCondition.Busy;
        if (_isOnCpu)
            return PlacementCondition.OnCpu;
        if (now < Volatile.Read(ref _memoryUntil))
            return PlacementCondition.ShortOfMemory;
        if (_isSlow)
            return !_isProbing && now >= Volatile.Read(ref _slowProbeAt) ? PlacementCondition.SlowDue : PlacementCondition.Slow;
        return now < _ramp.Until ? PlacementCondition.SlowStart : PlacementCondition.Steady;
    }

    /// <summary>The condition at a time, including the limit on parallel requests.</summary>
    public PlacementCondition ConditionFor(long now)
    {
        var condition = ConditionAt(now);
        return condition is not (PlacementCondition.Open or PlacementCondition.Probing or PlacementCondition.Busy) && IsFull(now)
            ? PlacementCondition.Busy
            : condition;
    }

    public bool IsFull(long now) => LimitAt(now) is > 0 and var limit && placement.Active >= limit;

    public int LimitAt(long now) => _limit.At(now);

    /// <summary><paramref name="limit"/> is at least 1, <paramref name="until"/> is in ticks. Returns whether the limit is new.</summary>
    public bool Limit(int limit, long until, long now)
    {
        lock (_lock)
        {
            var isNew = _limit.Set(limit, until, now);
            Publish(now);
            return isNew;
        }
    }

    /// <summary>The time until the condition changes, in ticks; 0 if it does not change by time alone.</summary>
    public long Left(long now) => Math.Max(0, ConditionAt(now) switch
    {
        PlacementCondition.Open => Volatile.Read(ref _openUntil) - now,
        PlacementCondition.Busy => _busy.Until - now,
        PlacementCondition.SlowStart => _ramp.Until - now,
        PlacementCondition.ShortOfMemory => Volatile.Read(ref _memoryUntil) - now,
        PlacementCondition.Slow => Volatile.Read(ref _slowProbeAt) - now,
        _ => 0,
    });

    public bool IsAtLimit(Instance instance, long now) => Used(instance) >= _ramp.Limit(instance, now);

    /// <summary>The number of the instance's slots that can be used during the instance's slow start; unlimited if only the model is in slow start.</summary>
    public int InstanceLimit(Instance instance, long now) => _ramp.IsInstances ? _ramp.Limit(instance, now) : int.MaxValue;

    /// <summary>Begins a lease and counts its request in one step. <paramref name="slowly"/>: whether the limit of a slow start applies.</summary>
    public bool TryEnter(Instance instance, long now, bool slowly, out GuardEntry entry)
    {
        lock (_lock)
        {
            entry = new GuardEntry(this, _breaker.Epoch, IsProbe: false);
            switch (ConditionFor(now))
            {
                case PlacementCondition.Open or PlacementCondition.Busy or PlacementCondition.Probing:
                    return false;
                case PlacementCondition.SlowStart when slowly && !_ramp.IsInstances && IsAtLimit(instance, now):
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
            _busy.ResetBackoff();
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

    public bool Failed(in GuardEntry entry, InstanceFailure failure, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            var opened = _breaker.Fail(entry.Epoch, entry.IsProbe, failure == InstanceFailure.TimedOut, now, rules, chance);
            Publish(now);
            return opened;
        }
    }

    /// <summary>Records a busy response. <paramref name="retryAfter"/> is its <c>Retry-After</c> in ticks; 0 if it has none.</summary>
    public void Busy(long retryAfter, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            _busy.Extend(retryAfter, now, rules, chance);
            Publish(now);
        }
    }

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

    /// <summary>Starts a slow start of <paramref name="slowStart"/> ticks. If another process replaced the failed one (<paramref name="isAnother"/>), the circuit closes.</summary>
    public void Return(long now, long slowStart, bool isAnother = false)
    {
        lock (_lock)
        {
            ForgetLimit();
            if (isAnother)
                _breaker.Replace(now + slowStart);
            _breaker.EndOpenTime(now);
            _isProbing &= !isAnother;
            _ramp.Start(now, slowStart, isInstances: true);
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
        if (!_isSlow && _limit.Until == 0)
            return;
        lock (_lock)
        {
            ForgetLimit();
            _speed.Reload();
            _isSlow = false;
            Publish(now);
        }
    }

    public void Refresh(long now)
    {
        if (!placement.IsRestricted)
            return;
        lock (_lock)
            Publish(now);
    }

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
            _ramp.Start(now, rules.SlowStart, isInstances: false);
        Publish(now);
        return closed;
    }

    private void ForgetLimit()
    {
        _limit.Clear();
        placement.Overlaps.Clear();
    }

    private int Used(Instance instance) => _ramp.IsInstances ? instance.SlotsUsed : placement.Active;

    private void Publish(long now)
    {
        _epoch = _breaker.Epoch;
        Volatile.Write(ref _openUntil, _breaker.OpenUntil);
        if (_breaker.OpenUntil != 0)
            _isProbing = _breaker.IsProbing;
        var isRestricted = !_isRetired
            && (_breaker.OpenUntil != 0 || now < _busy.Until || now < _memoryUntil || _isOnCpu || _isSlow || now < _ramp.Until || now < _limit.Until);
        _wasRestricted |= isRestricted;
        placement.SetRestricted(isRestricted);
    }
}
