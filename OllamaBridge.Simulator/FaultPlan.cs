namespace OllamaBridge.Simulator;

/// <summary>The pending faults of a server. Thread-safe; may be changed while requests run.</summary>
public sealed class FaultPlan
{
    private readonly Lock _gate = new();
    private readonly List<Armed> _armed = [];
    private volatile int _count;
    private volatile TaskCompletionSource _changed = NewSignal();

    internal event Action? Changed;

    /// <summary>The pending faults in the order in which they are matched.</summary>
    public IReadOnlyList<Fault> Faults
    {
        get
        {
            lock (_gate)
                return [.. _armed.Select(a => a.Fault)];
        }
    }

    /// <summary>Adds a fault after the existing ones.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="Fault.Times"/> is zero or less.</exception>
    public void Add(Fault fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        if (fault.Times is { } times)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(times);
        lock (_gate)
        {
            _armed.Add(new Armed(fault) { Left = fault.Times });
            _count = _armed.Count;
        }
        Signal();
    }

    /// <summary>Removes all faults; frozen generations continue.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _armed.Clear();
            _count = 0;
        }
        Signal();
    }

    /// <summary>Takes the fault for a request and counts it; null for none.</summary>
    internal Fault? Take(string path, bool inference, string? model)
    {
        if (_count == 0)
            return null;
        lock (_gate)
        {
            var hit = _armed.Find(a => !Lasts(a.Fault.Kind) && Matches(a.Fault, path, inference, model));
            if (hit is null)
                return null;
            if (hit.Left is { } left && (hit.Left = left - 1) == 0)
            {
                _armed.Remove(hit);
                _count = _armed.Count;
            }
            return hit.Fault;
        }
    }

    /// <summary>Whether a fault depends on the model, so that the body must be read before <see cref="Take"/>.</summary>
    internal bool Any => _count != 0;

    internal bool Refuses => _count != 0 && Has(FaultKind.Refuse, null);

    /// <summary>Waits while generations of this model are frozen.</summary>
    internal ValueTask WhileFrozenAsync(string path, string model, CancellationToken cancellationToken) =>
        _count == 0 ? ValueTask.CompletedTask : new ValueTask(WaitFrozenAsync(path, model, cancellationToken));

    /// <summary>Whether this model runs on the CPU.</summary>
    internal bool IsOnCpu(string model) => _count != 0 && Has(FaultKind.OnCpu, model);

    /// <summary>The extra time of each token of this model.</summary>
    internal TimeSpan Slowness(string path, string model)
    {
        if (_count == 0)
            return TimeSpan.Zero;
        lock (_gate)
            return _armed.Find(a => a.Fault.Kind is FaultKind.SlowTokens or FaultKind.OnCpu && Matches(a.Fault, path, true, model))?.Fault.Delay
                ?? TimeSpan.Zero;
    }

    private static bool Lasts(FaultKind kind) => kind is FaultKind.Refuse or FaultKind.Frozen or FaultKind.SlowTokens or FaultKind.OnCpu;

    private async Task WaitFrozenAsync(string path, string model, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = _changed;
            lock (_gate)
            {
                if (!_armed.Exists(a => a.Fault.Kind == FaultKind.Frozen && Matches(a.Fault, path, true, model)))
                    return;
            }
            await changed.Task.WaitAsync(cancellationToken);
        }
    }

    private bool Has(FaultKind kind, string? model)
    {
        lock (_gate)
            return _armed.Exists(a => a.Fault.Kind == kind && (model is null || a.Fault.Model is null || ModelName.Same(a.Fault.Model, model)));
    }

    private static bool Matches(Fault fault, string path, bool inference, string? model) =>
        (fault.Path is null ? inference : path.StartsWith(fault.Path, StringComparison.Ordinal))
        && (fault.Model is null || (model is not null && ModelName.Same(fault.Model, model)));

    private void Signal()
    {
        Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();
        Changed?.Invoke();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed class Armed(Fault fault)
    {
        public Fault Fault { get; } = fault;

        public int? Left { get; set; }
    }
}
