using OllamaBridge.Gateway.Audit;

namespace OllamaBridge.Gateway.State;

/// <summary>Writes audit entries to Redis, and repeats writes without a response. Idle if the state is not shared.</summary>
internal sealed class AuditWriter(IAuditStore store, TimeProvider time, ILogger<AuditWriter> logger) : BackgroundService, IHostedLifecycleService
{
    private const int MaxBatch = 64;
    private static readonly TimeSpan BeforeAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(3);
    private readonly List<AuditEntry> _batch = new(MaxBatch);
    private readonly Lock _lock = new();
    private Task? _lastWrite;

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Writes the remaining entries after the last request has ended.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (store is not RedisAuditStore shared)
            return Task.CompletedTask;
        // Two callers may stop a host concurrently, but only one may write batches.
        lock (_lock)
            return _lastWrite ??= WriteRestAsync(shared);
    }

    private async Task WriteRestAsync(RedisAuditStore shared)
    {
        if (ExecuteTask is { } running)
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var patience = new CancellationTokenSource(StopPatience, time);
        try
        {
            while (Fill(shared) && shared.IsHealthy && !patience.IsCancellationRequested)
                await TryWriteAsync(shared, patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Logged below.
        }

        if (_batch.Count + shared.Waiting.Count is > 0 and var unwritten)
            StateLog.AuditUnwritten(logger, unwritten);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (store is not RedisAuditStore shared)
            return;
        try
        {
            while (true)
            {
                if (!Fill(shared))
                    await shared.Waiting.WaitToReadAsync(stoppingToken);
                else if (!await TryWriteAsync(shared, stoppingToken))
                    await Task.Delay(BeforeAgain, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    /// <summary>Begins a batch, unless one has not been written yet.</summary>
    /// <returns>Whether there is something to write.</returns>
    private bool Fill(RedisAuditStore shared)
    {
        if (_batch.Count > 0)
            return true;
        while (_batch.Count < MaxBatch && shared.Waiting.TryRead(out var entry))
            _batch.Add(entry);
        return _batch.Count > 0;
    }

    private async ValueTask<bool> TryWriteAsync(RedisAuditStore shared, CancellationToken cancellationToken)
    {
        if (!await shared.TryWriteAsync(_batch, cancellationToken))
            return false;
        _batch.Clear();
        return true;
    }
}
