namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>A slow start in progress, with times in ticks. Changed under the guard's lock, read without it.</summary>
internal sealed class SlowStartRamp
{
    private long _from;
    private long _until;
    private volatile bool _isInstances;

    /// <summary>Whether the instance is in slow start; false if only the model is.</summary>
    public bool IsInstances => _isInstances;

    /// <summary>The end, in ticks; 0 if there is no slow start.</summary>
    public long Until => Volatile.Read(ref _until);

    public int Limit(Instance instance, long now) => SlowStart.Limit(instance.Slots, Volatile.Read(ref _from), Until, now);

    public void Start(long now, long duration, bool isInstances)
    {
        _isInstances = isInstances;
        Volatile.Write(ref _from, now);
        Volatile.Write(ref _until, duration == 0 ? 0 : now + duration);
    }
}
