namespace OllamaBridge.Gateway.State;

/// <summary>Writes queued items to Redis in batches. Retries a failed batch without a limit. Writes the remaining items when the host has stopped.</summary>
internal abstract class BatchWriter(TimeProvider time) : BackgroundService, IHostedLifecycleService
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);
    private readonly Lock _lock = new();
    private Task? _lastWrite;

    protected abstract bool IsEnabled { get; }

    protected abstract bool IsHealthy { get; }

    /// <summary>The maximum time for the remaining items after the host has stopped.</summary>
    protected abstract TimeSpan StopPatience { get; }

    protected virtual TimeSpan PauseAfterBatch => TimeSpan.Zero;

    /// <summary>The number of items that have not been written, in the batch and in the queue.</summary>
    protected abstract int Unwritten { get; }

    /// <summary>Begins a batch, unless one has not been written yet. Returns whether there is something to write.</summary>
    protected abstract bool Fill();

    protected abstract Task WaitForItemsAsync(CancellationToken cancellationToken);

    /// <summary>Writes the batch, and clears it after a success.</summary>
    protected abstract ValueTask<bool> TryWriteAsync(CancellationToken cancellationToken);

    protected abstract void ReportUnwritten(int count);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ignores <paramref name="cancellationToken"/>: requests that are aborted at the timeout of the host queue their items after it.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (!IsEnabled)
            return Task.CompletedTask;
        // Two callers may stop a host concurrently, but only one may write batches.
        lock (_lock)
            return _lastWrite ??= WriteRestAsync();
    }

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsEnabled)
            return;
        try
        {
            while (true)
            {
                if (!Fill())
                {
                    await WaitForItemsAsync(stoppingToken);
                    continue;
                }

                var pause = PauseAfterBatch;
                if (!await TryWriteAsync(stoppingToken))
                    pause = RetryDelay;
                if (pause > TimeSpan.Zero)
                    await Task.Delay(pause, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    private async Task WriteRestAsync()
    {
        if (ExecuteTask is { } running)
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var patience = new CancellationTokenSource(StopPatience, time);
        try
        {
            // Does not wait for a lost Redis to come back.
            while (Fill() && IsHealthy && !patience.IsCancellationRequested)
                await TryWriteAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Reported below.
        }

        if (Unwritten is > 0 and var unwritten)
            ReportUnwritten(unwritten);
    }
}
