namespace OllamaBridge.Simulator.Memory;

/// <summary>A model in memory. Its fields are guarded by the lock of <see cref="RunnerShelf"/>.</summary>
internal sealed class Runner(StoredModel stored, RunnerSettings settings, int slots, long size)
{
    public StoredModel Stored { get; } = stored;

    public RunnerSettings Settings { get; } = settings;

    public long Size { get; } = size;

    /// <summary>The parallel slots; waiting requests get them in turn.</summary>
    public SemaphoreSlim Slots { get; } = new(slots);

    public TaskCompletionSource Loaded { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Gone { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Users { get; set; }

    public bool Ready { get; set; }

    /// <summary>Its process has ended without notice: still listed, not usable.</summary>
    public bool Dead { get; set; }

    public TimeSpan KeepAlive { get; set; }

    public DateTimeOffset LastUsed { get; set; }

    /// <summary>When it is unloaded unless used again.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    public ITimer? Timer { get; set; }

    public DateTimeOffset TimerDue { get; set; }

    public string Key => Stored.Layers[0].Digest;
}
