namespace OllamaBridge.Simulator.Memory;

/// <summary>
/// What a server has in memory. A loaded model serves at once; a model that must be loaded first waits in a bounded queue
/// whose head alone evicts and loads, as Ollama's scheduler does.
/// </summary>
internal sealed class ModelMemory(SimulatorOptions options, SimulatorStatistics statistics) : IDisposable
{
    private const string Busy = "server busy, please try again.  maximum pending requests exceeded";

    private readonly Lock _gate = new();
    private readonly List<Runner> _runners = [];
    private readonly LinkedList<Waiting> _pending = [];
    private readonly CancellationTokenSource _lost = new();
    private bool _working;

    private TimeProvider Time => options.TimeProvider;

    /// <summary>Requests in the queue, the one that is being worked on included.</summary>
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
        Waiting? waiting = null;
        lock (_gate)
        {
            runner = Usable(stored, settings);
            if (runner is not null)
            {
                Use(runner, keepAlive);
            }
            else
            {
                if (_working && _pending.Count >= options.MaxQueue)
                    throw new ApiError(503, Busy);
                waiting = new Waiting(stored, settings, keepAlive);
                waiting.Node = _pending.AddLast(waiting);
                StartWork();
            }
        }
        if (waiting is not null)
            return new RunnerLease(this, await WaitAsync(waiting, cancellationToken), statistics);
        var lease = new RunnerLease(this, runner!, statistics);
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

    /// <summary>Unloads a model as soon as nobody uses it.</summary>
    public void Expire(StoredModel stored)
    {
        lock (_gate)
        {
            if (Find(stored) is { } runner)
                Retire(runner);
        }
    }

    /// <summary>The model's process dies unnoticed: the next request loads it again.</summary>
    public void KillRunner(StoredModel stored)
    {
        lock (_gate)
        {
            if (Find(stored) is { } runner)
                runner.Dead = true;
        }
    }

    /// <summary>What is loaded, the longest-lived first.</summary>
    public IReadOnlyList<(StoredModel Stored, long Size, int Context, DateTimeOffset ExpiresAt)> List()
    {
        lock (_gate)
        {
            return [.. _runners.Where(r => r.Ready)
                .Select(r => (r.Stored, r.Size, r.Settings.ContextLength, r.ExpiresAt))
                .OrderByDescending(r => r.ExpiresAt.ToUnixTimeSeconds())];
        }
    }

    public void Release(Runner runner)
    {
        lock (_gate)
        {
            runner.Users--;
            runner.LastUsed = Time.GetUtcNow();
            if (runner.Users > 0 || !_runners.Contains(runner))
                return;
            if (runner.KeepAlive == TimeSpan.Zero)
                Drop(runner);
            else
                Touch(runner);
        }
    }

    /// <summary>Everything is gone, as when the process dies.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _lost.Cancel();
            foreach (var runner in _runners.ToArray())
                Drop(runner);
            foreach (var waiting in _pending)
                waiting.Granted.TrySetCanceled(_lost.Token);
            _pending.Clear();
        }
    }

    private async Task<Runner> WaitAsync(Waiting waiting, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => Abandon(waiting, cancellationToken), null);
        return await waiting.Granted.Task;
    }

    private void Abandon(Waiting waiting, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (waiting.Granted.TrySetCanceled(cancellationToken) && waiting.Node?.List is not null)
                _pending.Remove(waiting.Node);
        }
    }

    private void StartWork()
    {
        if (_working)
            return;
        _working = true;
        var first = Next();
        if (first is not null)
            _ = WorkAsync(first);
    }

    private Waiting? Next()
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

    private async Task WorkAsync(Waiting? waiting)
    {
        while (waiting is not null)
        {
            try
            {
                await ServeAsync(waiting);
            }
            catch (OperationCanceledException)
            {
                waiting.Granted.TrySetCanceled(_lost.Token);
            }
            lock (_gate)
                waiting = Next();
        }
    }

    private async Task ServeAsync(Waiting waiting)
    {
        while (true)
        {
            Runner? runner;
            Task gone;
            lock (_gate)
            {
                _lost.Token.ThrowIfCancellationRequested();
                if (waiting.Granted.Task.IsCompleted)
                    return;
                runner = Usable(waiting.Stored, waiting.Settings);
                if (runner is { Ready: true })
                {
                    Grant(runner, waiting);
                    return;
                }
                var victim = Victim(waiting);
                if (victim is null)
                {
                    runner = Begin(waiting);
                    gone = Task.CompletedTask;
                }
                else
                {
                    runner = null;
                    gone = victim.Gone.Task;
                    statistics.Evicted();
                    Retire(victim);
                }
            }
            if (runner is not null)
            {
                await LoadAsync(runner, waiting);
                return;
            }
            await gone.WaitAsync(_lost.Token);
        }
    }

    private async Task LoadAsync(Runner runner, Waiting waiting)
    {
        var time = runner.Stored.Model.LoadTime ?? options.LoadTime;
        if (time > TimeSpan.Zero)
            await Task.Delay(time, Time, _lost.Token);
        lock (_gate)
        {
            if (runner.Stored.Model.Damage == ModelDamage.BlobCorrupt)
            {
                const string Reason = "error loading model: unknown model architecture: ''";
                var error = new ApiError(500, $"llama-server process has terminated: exit status 1: {Reason}\n{Reason}");
                runner.Loaded.TrySetException(error);
                _ = runner.Loaded.Task.Exception;
                waiting.Granted.TrySetException(error);
                Drop(runner);
                return;
            }
            runner.Ready = true;
            statistics.Loaded();
            runner.Loaded.TrySetResult();
            if (!waiting.Granted.TrySetResult(runner))
                Release(runner);
        }
    }

    private void Grant(Runner runner, Waiting waiting)
    {
        Use(runner, waiting.KeepAlive);
        if (!waiting.Granted.TrySetResult(runner))
            Release(runner);
    }

    private Runner Begin(Waiting waiting)
    {
        var runner = new Runner(waiting.Stored, waiting.Settings, options.ParallelSlots, SizeOf(waiting)) { KeepAlive = options.KeepAlive };
        _runners.Add(runner);
        Use(runner, waiting.KeepAlive);
        return runner;
    }

    /// <summary>Who must go before this can be loaded: the same model with other settings or dead, else an idle one, else the first to expire.</summary>
    private Runner? Victim(Waiting waiting)
    {
        if (Find(waiting.Stored) is { } same)
            return same;
        var full = _runners.Count >= options.MaxLoadedModels
            || (options.MemoryBytes is { } memory && _runners.Sum(r => r.Size) + SizeOf(waiting) > memory);
        return !full ? null : _runners.OrderBy(r => r.Users > 0)
            .ThenBy(r => r.KeepAlive < TimeSpan.Zero ? TimeSpan.MaxValue : r.KeepAlive)
            .ThenBy(r => r.LastUsed)
            .FirstOrDefault();
    }

    private long SizeOf(Waiting waiting) =>
        MemorySize.Of(waiting.Stored.Model, waiting.Settings.ContextLength, options.ParallelSlots);

    private Runner? Find(StoredModel stored) => _runners.Find(r => r.Key == stored.Layers[0].Digest);

    private Runner? Usable(StoredModel stored, RunnerSettings settings) =>
        Find(stored) is { Dead: false } runner && runner.Settings == settings ? runner : null;

    private void Use(Runner runner, TimeSpan? keepAlive)
    {
        runner.Users++;
        if (keepAlive is { } time)
            runner.KeepAlive = time;
        runner.LastUsed = Time.GetUtcNow();
        runner.ExpiresAt = Expiry(runner);
    }

    private void Retire(Runner runner)
    {
        runner.KeepAlive = TimeSpan.Zero;
        runner.ExpiresAt = Time.GetUtcNow();
        if (runner.Users == 0 || runner.Dead)
            Drop(runner);
    }

    private void Drop(Runner runner)
    {
        _runners.Remove(runner);
        runner.Timer?.Dispose();
        runner.Gone.TrySetResult();
    }

    /// <summary>Sets the hour of an idle model. The timer is moved only when it would ring too late; ringing early it looks again.</summary>
    private void Touch(Runner runner)
    {
        runner.ExpiresAt = Expiry(runner);
        Arm(runner);
    }

    private void Arm(Runner runner)
    {
        if (runner.KeepAlive < TimeSpan.Zero || (runner.Timer is not null && runner.TimerDue <= runner.ExpiresAt))
            return;
        runner.TimerDue = runner.ExpiresAt;
        if (runner.Timer is null)
            runner.Timer = Time.CreateTimer(_ => Ring(runner), null, Due(runner), Timeout.InfiniteTimeSpan);
        else
            runner.Timer.Change(Due(runner), Timeout.InfiniteTimeSpan);
    }

    private void Ring(Runner runner)
    {
        lock (_gate)
        {
            if (!_runners.Contains(runner))
                return;
            if (runner.Users == 0 && runner.KeepAlive >= TimeSpan.Zero && Time.GetUtcNow() >= runner.ExpiresAt)
            {
                Drop(runner);
                return;
            }
            runner.Timer?.Dispose();
            runner.Timer = null;
            if (runner.Users == 0)
                Arm(runner);
        }
    }

    private TimeSpan Due(Runner runner)
    {
        var left = runner.ExpiresAt - Time.GetUtcNow();
        return left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left > TimeSpan.FromDays(40) ? TimeSpan.FromDays(40) : left;
    }

    private DateTimeOffset Expiry(Runner runner) =>
        Time.GetUtcNow() + (runner.KeepAlive < TimeSpan.Zero ? TimeSpan.FromTicks(long.MaxValue / 100) : runner.KeepAlive);

    private sealed class Waiting(StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
    {
        public StoredModel Stored { get; } = stored;

        public RunnerSettings Settings { get; } = settings;

        public TimeSpan? KeepAlive { get; } = keepAlive;

        public TaskCompletionSource<Runner> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public LinkedListNode<Waiting>? Node { get; set; }
    }
}
