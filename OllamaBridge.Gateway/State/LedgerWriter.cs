using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.State;

/// <summary>Writes records from the buffer to Redis: at once if no write is running, else in batches.</summary>
/// <remarks>Retries a failed batch with the same number, without a limit, so that Redis applies it once. Idle if the ledger is in memory.</remarks>
internal sealed class LedgerWriter(ILedger ledger, StateMetrics metrics, TimeProvider time, ILogger<LedgerWriter> logger)
    : BackgroundService, IHostedLifecycleService
{
    private const int MaxBatch = 256;
    // Fifty batches per second cost Redis and the gateway less than thousands of single records.
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan BeforeAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);
    private readonly LedgerBatch _batch = new();
    private readonly Lock _lock = new();
    private Task? _lastWrite;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Writes the remaining records. At this point the last request has ended.</summary>
    /// <remarks>Ignores <paramref name="cancellationToken"/>: requests that are aborted at the timeout of the host write their records after it.</remarks>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (ledger is not RedisLedger shared)
            return Task.CompletedTask;
        // Two callers may stop a host concurrently, but only one may write batches.
        lock (_lock)
            return _lastWrite ??= WriteRestAsync(shared);
    }

    private async Task WriteRestAsync(RedisLedger shared)
    {
        if (ExecuteTask is { } running)
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var patience = new CancellationTokenSource(StopPatience, time);
        try
        {
            // Does not wait for a lost Redis to come back.
            while (Fill(shared) && shared.Store.IsHealthy && !patience.IsCancellationRequested)
                await TryWriteAsync(shared, patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Logged below.
        }

        if (_batch.Count + shared.Buffer.Count is > 0 and var unwritten)
        {
            metrics.RecordLedgerDropped(unwritten);
            StateLog.LedgerUnwritten(logger, unwritten);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (ledger is not RedisLedger shared)
            return;
        try
        {
            while (true)
            {
                if (!Fill(shared))
                    await shared.Buffer.WaitAsync(stoppingToken);
                else if (_batch.Count is var count && !await TryWriteAsync(shared, stoppingToken))
                    await Task.Delay(BeforeAgain, time, stoppingToken);
                else if (count < MaxBatch)
                    await Task.Delay(Gather, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    /// <summary>Fills a new batch, unless one is still unwritten. Returns whether there is a batch to write.</summary>
    private bool Fill(RedisLedger shared)
    {
        if (_batch.Count > 0)
            return true;
        while (_batch.Count < MaxBatch && shared.Buffer.TryTake(out var record))
            _batch.Add(record);
        return _batch.Count > 0;
    }

    private async ValueTask<bool> TryWriteAsync(RedisLedger shared, CancellationToken cancellationToken)
    {
        if (!await shared.Store.TryWriteAsync(_batch, cancellationToken))
            return false;
        _batch.Clear();
        shared.Buffer.NoteWritten();
        return true;
    }
}
