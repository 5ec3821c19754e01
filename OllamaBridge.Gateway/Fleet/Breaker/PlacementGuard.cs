namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>All that keeps requests away from one model on one instance: the rules under one small lock, and what follows from them to be read without.</summary>
/// <remarks>
/// Made when the placement is first used. While nothing is restricted nobody asks it anything but once for each request that ends;
/// <see cref="ModelState.Restricted"/> tells decisions whether to look at all.
/// </remarks>
internal sealed class PlacementGuard(PlacementState placement)
{
    private readonly Lock _lock = new();
    private readonly CircuitBreaker _breaker = new();
    private readonly SpeedHistory _speed = new();
    private int _busyInRow;
    private bool _isRetired;

    // Written under the lock, read without.
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

    /// <summary>Whether it has ever kept a request away: only then telemetry speaks of it.</summary>
    public bool WasRestricted => _wasRestricted;

    /// <summary>For a lease that begins while there is nothing to say.</summary>
    public GuardEntry Entry => new(this, _epoch, IsProbe: false);

    /// <summary>Tokens a second, usually; <see cref="double.NaN"/> where unknown.</summary>
    public double UsualSpeed
    {
        get
        {
            lock (_lock)
                return _speed.Usual;
        }
    }

    /// <summary>How it may be used at a moment.</summary>
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

    /// <summary>How it may be used at a moment, given the requests that it holds.</summary>
    public PlacementCondition ConditionFor(long now)
    {
        var condition = ConditionAt(now);
        return condition is not (PlacementCondition.Open or PlacementCondition.Probing or PlacementCondition.Busy) && IsFull(now)
            ? PlacementCondition.Busy
            : condition;
    }

    /// <summary>Whether it holds as many requests as the instance runs at once.</summary>
    public bool IsFull(long now) => LimitAt(now) is > 0 and var limit && placement.Active >= limit;

    /// <summary>How many requests the model may hold there because the instance runs no more at once; 0 if no such limit is known.</summary>
    public int LimitAt(long now) => now < Volatile.Read(ref _limitUntil) ? _limit : 0;

    /// <summary>Sets how many requests the instance runs at once.</summary>
    /// <param name="limit">At least 1.</param>
    /// <param name="until">How long that holds.</param>
    /// <param name="now">The moment.</param>
    /// <returns>Whether that is new.</returns>
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

    /// <summary>How long that stays so, in ticks; 0 where time alone does not change it.</summary>
    public long Left(long now) => Math.Max(0, ConditionAt(now) switch
    {
        PlacementCondition.Open => Volatile.Read(ref _openUntil) - now,
        PlacementCondition.Busy => Volatile.Read(ref _busyUntil) - now,
        PlacementCondition.SlowStart => Volatile.Read(ref _rampUntil) - now,
        PlacementCondition.ShortOfMemory => Volatile.Read(ref _memoryUntil) - now,
        PlacementCondition.Slow => Volatile.Read(ref _slowProbeAt) - now,
        _ => 0,
    });

    /// <summary>Whether it is back only lately and has as much as it may have so soon.</summary>
    public bool IsAtLimit(Instance instance, long now) => Used(instance) >= Limit(instance, now);

    /// <summary>How many of the instance's slots may be used at all, if it is the instance that is back only lately.</summary>
    public int InstanceLimit(Instance instance, long now) => _rampIsInstances ? Limit(instance, now) : int.MaxValue;

    /// <summary>Begins a lease, unless it may not be. The number of requests under way goes up within the same step.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="now">The moment.</param>
    /// <param name="slowly">Whether others have the model, so that one that has come back need not take all.</param>
    /// <param name="entry">What the lease keeps.</param>
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

    /// <summary>The instance begins to answer a request as it should: enough for a breaker that is half open.</summary>
    /// <returns>Whether that closed the breaker.</returns>
    public bool Answering(in GuardEntry entry, long now, BreakerRules rules)
    {
        if (!entry.IsProbe)
            return false;
        lock (_lock)
            return _breaker.OpenUntil != 0 && Succeed(entry, now, rules);
    }

    /// <summary>The instance answered a request.</summary>
    /// <param name="entry">What its lease kept.</param>
    /// <param name="tokensPerSecond">How fast; 0 where that is unknown.</param>
    /// <param name="now">The moment.</param>
    /// <param name="rules">The rules.</param>
    /// <returns>What changed.</returns>
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

    /// <summary>The instance failed a request.</summary>
    /// <returns>Whether that opened the breaker.</returns>
    public bool Failed(in GuardEntry entry, InstanceFailure failure, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            var opened = _breaker.Fail(entry.Epoch, entry.IsProbe, failure == InstanceFailure.TimedOut, now, rules, chance);
            Publish(now);
            return opened;
        }
    }

    /// <summary>The instance said that it is busy.</summary>
    /// <param name="asked">For how long it asks to be left alone, in ticks; 0 where it does not say.</param>
    /// <param name="now">The moment.</param>
    /// <param name="rules">The rules.</param>
    /// <param name="chance">From 0 to 1.</param>
    public void Busy(long asked, long now, BreakerRules rules, double chance)
    {
        lock (_lock)
        {
            // Requests that were under way together say the same thing once.
            var isNews = now >= _busyUntil;
            Volatile.Write(ref _busyUntil, Math.Max(_busyUntil, now + BackOff.Busy(asked, isNews ? _busyInRow++ : Math.Max(0, _busyInRow - 1), rules, chance)));
            Publish(now);
        }
    }

    /// <summary>A lease ends; a probe that has shown nothing makes room for the next.</summary>
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

    /// <summary>The instance was away and is back.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="slowStart">How long it is given work only slowly, in ticks.</param>
    /// <param name="isAnother">Whether what is back is another process than the one that failed: then nothing is held against it, and work
    /// that comes slowly is trial enough.</param>
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

    /// <summary>Takes in where the model runs, as the instance says.</summary>
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

    /// <summary>The model didn't fit into the instance's memory.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="duration">For how long it is avoided, in ticks.</param>
    public void SetShortOfMemory(long now, long duration)
    {
        lock (_lock)
        {
            Volatile.Write(ref _memoryUntil, now + duration);
            Publish(now);
        }
    }

    /// <summary>The model has left memory.</summary>
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

    /// <summary>Time has passed.</summary>
    public void Refresh(long now)
    {
        if (!placement.IsRestricted)
            return;
        lock (_lock)
            Publish(now);
    }

    /// <summary>The placement is gone.</summary>
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

/// <summary>What a lease keeps of the guard that let it in.</summary>
/// <param name="Guard">The guard; null where there is none.</param>
/// <param name="Epoch">The breaker's epoch.</param>
/// <param name="IsProbe">Whether it is let in to see how the model does.</param>
internal readonly record struct GuardEntry(PlacementGuard? Guard, int Epoch, bool IsProbe);

/// <summary>What an answer changed.</summary>
internal enum GuardChange
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The breaker closed.</summary>
    Closed,

    /// <summary>The model counts as slow.</summary>
    Slowed,

    /// <summary>It no longer does.</summary>
    Recovered,
}
