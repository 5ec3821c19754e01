using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.State;

/// <summary>Carries records from the buffer to Redis: at once when nothing is under way, else what has gathered meanwhile as one batch.</summary>
/// <remarks>A batch that was not answered is sent again under its number, however long that takes. Idle where the ledger is in memory.</remarks>
internal sealed class LedgerWriter(ILedger ledger, BridgeMetrics metrics, TimeProvider time, ILogger<LedgerWriter> logger)
    : BackgroundService, IHostedLifecycleService
{
    private const int MaxBatch = 256;
    // Redis and the gateway have less to do with fifty batches a second than with thousands.
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan BeforeAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);
    private readonly LedgerBatch _batch = new();
    private readonly Lock _lock = new();
    private Task? _lastWrite;

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Writes what is left: by now the last request has ended.</summary>
    /// <remarks>The host's patience is not asked for: where it has run out, the records of the requests that were cut off come last.</remarks>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (ledger is not RedisLedger shared)
            return Task.CompletedTask;
        // A host may be stopped by two at once: batches have one writer.
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
            // Whether a Redis that is lost comes back is no longer looked at.
            while (Fill(shared) && shared.Store.IsHealthy && !patience.IsCancellationRequested)
                await TryWriteAsync(shared, patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Told below.
        }

        if (_batch.Count + shared.Buffer.Count is > 0 and var unwritten)
        {
            metrics.RecordLedgerDropped(unwritten);
            StateLog.LedgerUnwritten(logger, unwritten);
        }
    }

    /// <inheritdoc/>
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

    /// <summary>Begins a batch with what waits, unless one has not been written yet.</summary>
    /// <returns>Whether there is something to write.</returns>
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
