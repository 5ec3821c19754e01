using System.Threading.Channels;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The events that the fleet's owner handles in order. Any thread may post; only the owner reads.</summary>
internal sealed class FleetEventQueue(TimeProvider time)
{
    private readonly Channel<FleetEvent> _events = Channel.CreateUnbounded<FleetEvent>(new UnboundedChannelOptions { SingleReader = true });

    public void Post(FleetEvent next) => _events.Writer.TryWrite(next);

    public Task<T> RequestAsync<T>(Func<TaskCompletionSource<T>, FleetEvent> create, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(create(done));
        return done.Task.WaitAsync(cancellationToken);
    }

    public async Task RequestAsync(Func<TaskCompletionSource, FleetEvent> create, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(create(done));
        try
        {
            await done.Task.WaitAsync(timeout, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // An instance did not respond in time: its previous list remains until it responds.
        }
    }

    public bool TryRead([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out FleetEvent? next) => _events.Reader.TryRead(out next);

    public async Task WaitAsync(TimeSpan timeout, CancellationToken stoppingToken)
    {
        if (timeout <= TimeSpan.Zero)
            return;
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var tick = Task.Delay(timeout, time, timer.Token);
        var ready = _events.Reader.WaitToReadAsync(timer.Token).AsTask();
        await Task.WhenAny(tick, ready);
        await timer.CancelAsync();
        await Task.WhenAll(tick, ready).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stoppingToken.ThrowIfCancellationRequested();
    }
}
