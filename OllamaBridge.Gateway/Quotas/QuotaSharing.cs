using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Exchanges the use of limits with the other gateways at each <c>Bridge:Sharing:Interval</c>.</summary>
internal sealed class QuotaSharing(QuotaStore store, IOptions<SharingOptions> options, TimeProvider time) : PeriodicService(time), IHostedLifecycleService
{
    /// <summary>Registers this gateway before the first request. <see cref="IQuotaShares"/> limits how long that takes.</summary>
    public Task StartingAsync(CancellationToken cancellationToken) => store.GreetAsync(cancellationToken);

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => store.LeaveAsync();

    protected override TimeSpan Interval => options.Value.Interval;

    protected override bool IsEnabled => store.IsShared;

    protected override async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        await store.TickAsync(cancellationToken);
        return true;
    }
}
