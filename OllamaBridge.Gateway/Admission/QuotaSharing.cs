using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Lets the store of limits talk to the other gateways' again and again.</summary>
internal sealed class QuotaSharing(QuotaStore store, IOptions<SharingOptions> options, TimeProvider time) : BackgroundService, IHostedLifecycleService
{
    /// <summary>Once before the first request; the shares see to it that this takes no longer than it may.</summary>
    public Task StartingAsync(CancellationToken cancellationToken) => store.GreetAsync(cancellationToken);

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What it has not used is the others' at once.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => store.LeaveAsync();

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!store.IsShared)
            return;
        try
        {
            while (true)
            {
                await Task.Delay(options.Value.Interval, time, stoppingToken);
                await store.TickAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }
}
