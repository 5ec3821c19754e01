namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>Bytes that all requests of the process share. Those that do not fit wait in the order in which they came. Thread-safe.</summary>
/// <param name="limit">How many bytes there are.</param>
/// <param name="time">The clock.</param>
internal sealed class ByteBudget(long limit, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = new();
    private long _used;

    /// <summary>How many bytes there are.</summary>
    public long Limit => limit;

    /// <summary>How many are in use.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Takes bytes, and waits for them if need be.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if they did not come free in time, or never can.</returns>
    public ValueTask<bool> TakeAsync(long bytes, TimeSpan patience, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_waiting.Count == 0 && _used + bytes <= limit)
            {
                _used += bytes;
                return ValueTask.FromResult(true);
            }

            if (bytes > limit)
                return ValueTask.FromResult(false);
            waiter = new Waiter(bytes);
            waiter.Node = _waiting.AddLast(waiter);
        }

        return new ValueTask<bool>(WaitAsync(waiter, patience, cancellationToken));
    }

    /// <summary>Gives bytes back.</summary>
    public void Return(long bytes)
    {
        lock (_lock)
        {
            _used -= bytes;
            Grant();
        }
    }

    private async Task<bool> WaitAsync(Waiter waiter, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            await waiter.Granted.Task.WaitAsync(patience, time, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            lock (_lock)
            {
                if (waiter.Granted.Task.IsCompleted)
                {
                    // Granted in the same moment.
                    if (e is TimeoutException)
                        return true;
                    _used -= waiter.Bytes;
                }
                else
                {
                    _waiting.Remove(waiter.Node!);
                }

                Grant();
            }

            if (e is TimeoutException)
                return false;
            throw;
        }
    }

    // In order: a large body is not passed by for ever by small ones.
    private void Grant()
    {
        while (_waiting.First is { } first && _used + first.Value.Bytes <= limit)
        {
            _waiting.RemoveFirst();
            _used += first.Value.Bytes;
            first.Value.Granted.SetResult();
        }
    }

    private sealed class Waiter(long bytes)
    {
        public long Bytes => bytes;

        public LinkedListNode<Waiter>? Node { get; set; }

        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>Bytes of a budget that one request holds; they go back when it is disposed.</summary>
internal sealed class ByteReservation(ByteBudget budget) : IDisposable
{
    private long _bytes;

    /// <summary>How many are held.</summary>
    public long Bytes => _bytes;

    /// <summary>Takes more.</summary>
    /// <returns>False if there is no room.</returns>
    public async ValueTask<bool> TakeAsync(long bytes, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (!await budget.TakeAsync(bytes, patience, cancellationToken))
            return false;
        _bytes += bytes;
        return true;
    }

    /// <summary>Gives back what is not needed.</summary>
    /// <param name="bytes">How many stay; no more than there are.</param>
    public void ShrinkTo(long bytes)
    {
        budget.Return(_bytes - bytes);
        _bytes = bytes;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, 0) is > 0 and var bytes)
            budget.Return(bytes);
    }
}
