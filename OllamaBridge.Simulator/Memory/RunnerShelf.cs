namespace OllamaBridge.Simulator.Memory;

/// <summary>The loaded models with their users and expiry times. The given lock guards all members, including timers.</summary>
internal sealed class RunnerShelf(SimulatorOptions options, Lock gate)
{
    private static readonly TimeSpan Soonest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Latest = TimeSpan.FromDays(40);

    /// <summary>Ollama's value for "for ever": some 292 years.</summary>
    private static readonly TimeSpan Forever = TimeSpan.FromTicks(long.MaxValue / 100);

    private readonly List<Runner> _runners = [];

    private TimeProvider Time => options.TimeProvider;

    public Runner? Find(StoredModel stored) => _runners.Find(r => r.Key == stored.Layers[0].Digest);

    /// <summary>The runner that is loaded, alive and has these settings; null for none.</summary>
    public Runner? Usable(StoredModel stored, RunnerSettings settings) =>
        Find(stored) is { Dead: false } runner && runner.Settings == settings ? runner : null;

    /// <summary>The runner to evict first: the same model with other settings or dead, else an idle one, else the first to expire.</summary>
    public Runner? Victim(StoredModel stored, RunnerSettings settings)
    {
        if (Find(stored) is { } same)
            return same;
        var full = _runners.Count >= options.MaxLoadedModels
            || (options.MemoryBytes is { } memory && _runners.Sum(r => r.Size) + SizeOf(stored, settings) > memory);
        return !full ? null : _runners.OrderBy(r => r.Users > 0)
            .ThenBy(r => r.KeepAlive < TimeSpan.Zero ? TimeSpan.MaxValue : r.KeepAlive)
            .ThenBy(r => r.LastUsed)
            .FirstOrDefault();
    }

    public Runner Add(StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
    {
        var runner = new Runner(stored, settings, options.ParallelSlots, SizeOf(stored, settings)) { KeepAlive = options.KeepAlive };
        _runners.Add(runner);
        Use(runner, keepAlive);
        return runner;
    }

    public void Use(Runner runner, TimeSpan? keepAlive)
    {
        runner.Users++;
        if (keepAlive is { } time)
            runner.KeepAlive = time;
        runner.LastUsed = Time.GetUtcNow();
        runner.ExpiresAt = Expiry(runner);
    }

    public void Release(Runner runner)
    {
        runner.Users--;
        runner.LastUsed = Time.GetUtcNow();
        if (runner.Users > 0 || !_runners.Contains(runner))
            return;
        if (runner.KeepAlive == TimeSpan.Zero)
        {
            Drop(runner);
            return;
        }
        runner.ExpiresAt = Expiry(runner);
        Arm(runner);
    }

    /// <summary>Unloads a model as soon as it is idle.</summary>
    public void Retire(Runner runner)
    {
        runner.KeepAlive = TimeSpan.Zero;
        runner.ExpiresAt = Time.GetUtcNow();
        if (runner.Users == 0 || runner.Dead)
            Drop(runner);
    }

    public void Drop(Runner runner)
    {
        _runners.Remove(runner);
        runner.Timer?.Dispose();
        runner.Timer = null;
        runner.Gone.TrySetResult();
    }

    public void Clear()
    {
        foreach (var runner in _runners.ToArray())
            Drop(runner);
    }

    /// <summary>The loaded models, the latest expiry first.</summary>
    public IReadOnlyList<(StoredModel Stored, long Size, int Context, DateTimeOffset ExpiresAt)> List() =>
    [
        .. _runners.Where(r => r.Ready)
            .Select(r => (r.Stored, r.Size, r.Settings.ContextLength, r.ExpiresAt))
            .OrderByDescending(r => r.ExpiresAt.ToUnixTimeSeconds()),
    ];

    private long SizeOf(StoredModel stored, RunnerSettings settings) =>
        MemorySize.Of(stored.Model, settings.ContextLength, options.ParallelSlots);

    /// <summary>Sets the timer of an idle model. It moves only if it would fire too late; when it fires early it is set again.</summary>
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
        lock (gate)
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
        return left < Soonest ? Soonest : left > Latest ? Latest : left;
    }

    private DateTimeOffset Expiry(Runner runner) => Time.GetUtcNow() + (runner.KeepAlive < TimeSpan.Zero ? Forever : runner.KeepAlive);
}
