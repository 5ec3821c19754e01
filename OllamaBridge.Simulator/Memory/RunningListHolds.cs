namespace OllamaBridge.Simulator.Memory;

/// <summary>Delays of the list of loaded models: loads, and pings of frozen runners. Thread-safe.</summary>
internal sealed class RunningListHolds
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _free;
    private int _count;

    public void Add()
    {
        lock (_gate)
            if (_count++ == 0)
                _free = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public void Remove()
    {
        lock (_gate)
        {
            if (--_count > 0)
                return;
            _free!.TrySetResult();
            _free = null;
        }
    }

    /// <summary>Waits until there is none.</summary>
    public Task WhenNoneAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            return _free is { } free ? free.Task.WaitAsync(cancellationToken) : Task.CompletedTask;
    }
}

/// <summary>One delay; ends when disposed.</summary>
internal readonly struct RunningListHold : IDisposable
{
    private readonly RunningListHolds? _holds;

    public RunningListHold(RunningListHolds? holds)
    {
        _holds = holds;
        holds?.Add();
    }

    public void Dispose() => _holds?.Remove();
}
