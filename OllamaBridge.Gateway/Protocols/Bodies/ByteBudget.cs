namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A number of bytes that all requests of the process share. Requests that do not fit wait in the order of arrival. Thread-safe.</summary>
internal sealed class ByteBudget(long limit, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = new();
    private long _used;

    public long Limit => limit;

    public long Used => Volatile.Read(ref _used);

    /// <returns>False if the bytes did not become free within <paramref name="patience"/>, or never can.</returns>
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
                    // Granted at the same time.
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

    // In order of arrival, so that small bodies don't overtake a large one forever.
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

/// <summary>The bytes of a budget that one request holds; they are returned when it is disposed.</summary>
internal sealed class ByteReservation(ByteBudget budget) : IDisposable
{
    private long _bytes;

    public long Bytes => _bytes;

    public async ValueTask<bool> TakeAsync(long bytes, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (!await budget.TakeAsync(bytes, patience, cancellationToken))
            return false;
        _bytes += bytes;
        return true;
    }

    /// <summary>Gives back all but <paramref name="bytes"/>, which must not be more than are held.</summary>
    public void ShrinkTo(long bytes)
    {
        budget.Return(_bytes - bytes);
        _bytes = bytes;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, 0) is > 0 and var bytes)
            budget.Return(bytes);
    }
}
