using OllamaBridge.Gateway.Audit;

namespace OllamaBridge.Gateway.State;

/// <summary>Writes audit entries to Redis, and repeats writes without a response. Idle if the state is not shared.</summary>
internal sealed class AuditWriter(IAuditStore store, TimeProvider time, ILogger<AuditWriter> logger) : BackgroundService, IHostedLifecycleService
{
    private const int MaxBatch = 64;
    private static readonly TimeSpan BeforeAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(3);
    // Replaced as a whole: a stop can begin while a write still waits for Redis.
    private volatile AuditEntry[] _batch = [];

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Writes the remaining entries after the last request has ended.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (store is not RedisAuditStore shared)
            return;
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

        if (_batch.Length + shared.Waiting.Count is > 0 and var unwritten)
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
        if (_batch.Length > 0)
            return true;
        var batch = new List<AuditEntry>();
        while (batch.Count < MaxBatch && shared.Waiting.TryRead(out var entry))
            batch.Add(entry);
        _batch = [.. batch];
        return batch.Count > 0;
    }

    private async ValueTask<bool> TryWriteAsync(RedisAuditStore shared, CancellationToken cancellationToken)
    {
        var batch = _batch;
        if (!await shared.TryWriteAsync(batch, cancellationToken))
            return false;
        Interlocked.CompareExchange(ref _batch, [], batch);
        return true;
    }
}
