namespace OllamaBridge.Simulator.Memory;

/// <summary>
/// The models in a server's memory. A loaded model serves at once; a model that must be loaded first waits in a bounded queue.
/// Only the head of the queue evicts and loads, as in Ollama's scheduler.
/// </summary>
internal sealed class ModelMemory : IDisposable
{
    private const string Busy = "server busy, please try again.  maximum pending requests exceeded";
    private const string Garbage = "error loading model: unknown model architecture: ''";

    private readonly Lock _gate = new();
    private readonly LinkedList<LoadTicket> _pending = [];
    private readonly CancellationTokenSource _lost = new();
    private readonly SimulatorOptions _options;
    private readonly SimulatorStatistics _statistics;
    private readonly RunnerShelf _shelf;
    private readonly RunningListHolds _holds = new();
    private bool _working;

    public ModelMemory(SimulatorOptions options, SimulatorStatistics statistics)
    {
        _options = options;
        _statistics = statistics;
        _shelf = new RunnerShelf(options, _gate);
    }

    /// <summary>Queued requests, including the one whose model is being loaded.</summary>
    public int WaitingCount
    {
        get
        {
            lock (_gate)
                return _pending.Count + (_working ? 1 : 0);
        }
    }

    /// <summary>Waits until the model is in memory with these settings.</summary>
    /// <exception cref="ApiError">503: the queue is full. 500: the model cannot be loaded.</exception>
    public async ValueTask<RunnerLease> AcquireAsync(
        StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive, CancellationToken cancellationToken)
    {
        Runner? runner;
        LoadTicket? ticket = null;
        lock (_gate)
        {
            runner = _shelf.Usable(stored, settings);
            if (runner is not null)
                _shelf.Use(runner, keepAlive);
            else
                ticket = Enqueue(stored, settings, keepAlive);
        }
        if (ticket is not null)
            return new RunnerLease(this, await WaitAsync(ticket, cancellationToken), _statistics);
        var lease = new RunnerLease(this, runner!, _statistics);
        try
        {
            if (!runner!.Loaded.Task.IsCompletedSuccessfully)
                await runner.Loaded.Task.WaitAsync(cancellationToken);
            return lease;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    public void Release(Runner runner)
    {
        lock (_gate)
            _shelf.Release(runner);
    }

    /// <summary>Unloads a model as soon as it is idle.</summary>
    public void Expire(StoredModel stored)
    {
        lock (_gate)
        {
            if (_shelf.Find(stored) is { } runner)
                _shelf.Retire(runner);
        }
    }

    /// <summary>Kills the model's process without notice: the next request loads the model again.</summary>
    public void KillRunner(StoredModel stored)
    {
        lock (_gate)
        {
            if (_shelf.Find(stored) is { } runner)
                runner.Dead = true;
        }
    }

    /// <summary>Delays the list of loaded models until it is disposed; no effect without <see cref="SimulatorOptions.HoldsRunningList"/>.</summary>
    public RunningListHold HoldList() => new(_options.HoldsRunningList ? _holds : null);

    /// <summary>Waits while the list of loaded models is delayed.</summary>
    public Task ListIsFreeAsync(CancellationToken cancellationToken) => _holds.WhenNoneAsync(cancellationToken);

    /// <summary>The loaded models, the latest expiry first.</summary>
    public IReadOnlyList<(StoredModel Stored, long Size, int Context, DateTimeOffset ExpiresAt)> List()
    {
        lock (_gate)
            return _shelf.List();
    }

    /// <summary>Drops everything, as the end of the process does.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _lost.Cancel();
            _shelf.Clear();
            foreach (var ticket in _pending)
                ticket.Granted.TrySetCanceled(_lost.Token);
            _pending.Clear();
        }
    }

    private LoadTicket Enqueue(StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
    {
        if (_working && _pending.Count >= _options.MaxQueue)
            throw new ApiError(503, Busy);
        var ticket = new LoadTicket(stored, settings, keepAlive);
        ticket.Node = _pending.AddLast(ticket);
        if (!_working)
        {
            _working = true;
            _ = WorkAsync(Next());
        }
        return ticket;
    }

    private async Task<Runner> WaitAsync(LoadTicket ticket, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => Abandon(ticket, cancellationToken), null);
        return await ticket.Granted.Task;
    }

    private void Abandon(LoadTicket ticket, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (ticket.Granted.TrySetCanceled(cancellationToken) && ticket.Node?.List is not null)
                _pending.Remove(ticket.Node);
        }
    }

    private LoadTicket? Next()
    {
        var node = _pending.First;
        if (node is null)
        {
            _working = false;
            return null;
        }
        _pending.RemoveFirst();
        return node.Value;
    }

    private async Task WorkAsync(LoadTicket? ticket)
    {
        while (ticket is not null)
        {
            try
            {
                await ServeAsync(ticket);
            }
            catch (OperationCanceledException)
            {
                ticket.Granted.TrySetCanceled(_lost.Token);
            }
            lock (_gate)
                ticket = Next();
        }
    }

    private async Task ServeAsync(LoadTicket ticket)
    {
        while (true)
        {
            Runner? victim;
            Runner? fresh = null;
            lock (_gate)
            {
                _lost.Token.ThrowIfCancellationRequested();
                if (ticket.Granted.Task.IsCompleted || Grant(ticket))
                    return;
                victim = _shelf.Victim(ticket.Stored, ticket.Settings);
                if (victim is null)
                {
                    fresh = _shelf.Add(ticket.Stored, ticket.Settings, ticket.KeepAlive);
                }
                else
                {
                    _statistics.Evicted();
                    _shelf.Retire(victim);
                }
            }
            if (fresh is not null)
            {
                await LoadAsync(fresh, ticket);
                return;
            }
            await victim!.Gone.Task.WaitAsync(_lost.Token);
        }
    }

    private bool Grant(LoadTicket ticket)
    {
        if (_shelf.Usable(ticket.Stored, ticket.Settings) is not { Ready: true } runner)
            return false;
        _shelf.Use(runner, ticket.KeepAlive);
        if (!ticket.Granted.TrySetResult(runner))
            _shelf.Release(runner);
        return true;
    }

    private async Task LoadAsync(Runner runner, LoadTicket ticket)
    {
        var time = runner.Stored.Model.LoadTime ?? _options.LoadTime;
        using (HoldList())
            if (time > TimeSpan.Zero)
                await Task.Delay(time, _options.TimeProvider, _lost.Token);
        lock (_gate)
        {
            if (runner.Stored.Model.Damage == ModelDamage.BlobCorrupt)
            {
                Fail(runner, ticket, new ApiError(500, $"llama-server process has terminated: exit status 1: {Garbage}\n{Garbage}"));
                return;
            }
            runner.Ready = true;
            _statistics.Loaded();
            runner.Loaded.TrySetResult();
            if (!ticket.Granted.TrySetResult(runner))
                _shelf.Release(runner);
        }
    }

    private void Fail(Runner runner, LoadTicket ticket, ApiError error)
    {
        runner.Loaded.TrySetException(error);
        _ = runner.Loaded.Task.Exception;
        ticket.Granted.TrySetException(error);
        _shelf.Drop(runner);
    }
}
