namespace OllamaBridge.Gateway.Common;

/// <summary>Runs work at an interval until the host stops.</summary>
internal abstract class PeriodicService(TimeProvider time) : BackgroundService
{
    private bool _hasFailed;

    protected TimeProvider Time => time;

    /// <summary>The time between two runs; read before each run.</summary>
    protected abstract TimeSpan Interval { get; }

    /// <summary>Whether there is work at all; if not, the service ends at its start.</summary>
    protected virtual bool IsEnabled => true;

    /// <summary>Whether the first run is at the start instead of after the first interval.</summary>
    protected virtual bool RunsAtStart => false;

    /// <summary>Logs the first of several consecutive failures, after which the service continues. Null if failures end the service.</summary>
    protected virtual Action<Exception>? LogFailure => null;

    /// <returns>Whether it succeeded, so that the next failure is logged again.</returns>
    protected abstract Task<bool> RunOnceAsync(CancellationToken cancellationToken);

    /// <summary>Does the work once, and logs a failure unless the previous run failed, too.</summary>
    protected async Task TryRunAsync(CancellationToken cancellationToken)
    {
        try
        {
            _hasFailed &= !await RunOnceAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException && LogFailure is not null)
        {
            if (!_hasFailed)
                LogFailure?.Invoke(e);
            _hasFailed = true;
        }
    }

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsEnabled)
            return;
        try
        {
            if (RunsAtStart)
                await TryRunAsync(stoppingToken);
            while (true)
            {
                await Task.Delay(Interval, time, stoppingToken);
                await TryRunAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }
}
