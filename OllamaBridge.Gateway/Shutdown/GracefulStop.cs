using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>
/// How the gateway ends. From the signal on it says so: it is not ready, and an answer closes its connection. After the delay nothing new is
/// taken. What is under way goes on, waiting requests included, and what has not come to its end in time ends with an error. The server listens on until then.
/// </summary>
internal sealed class GracefulStop : IHostedLifecycleService, IDisposable
{
    /// <summary>What is said to whoever comes too late.</summary>
    public const string Message = "the bridge is being stopped, please try again";

    // What ends with an error needs a moment to say so.
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(3);
    private readonly ShutdownOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<GracefulStop> _logger;
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _signal;
    private int _running;
    private bool _isLeaving;
    private bool _isStopping;
    private bool _isOver;

    public GracefulStop(
        IHostApplicationLifetime lifetime, IOptions<ShutdownOptions> options, IOptions<HostOptions> host, TimeProvider time, ILogger<GracefulStop> logger)
    {
        _options = options.Value;
        // Here, and not where options are made: the host has read its own before any was validated, and asks for this time only at its end.
        host.Value.ShutdownTimeout = _options.GracePeriod + Reserve;
        _time = time;
        _logger = logger;
        _signal = lifetime.ApplicationStopping.Register(Leaves);
    }

    /// <summary>What the host gives beyond the grace period: for errors to be said, connections to be closed, shared state to be left.</summary>
    public static TimeSpan Reserve { get; } = TimeSpan.FromSeconds(10);

    /// <summary>When to try again: by then another gateway is asked, or this one's successor.</summary>
    public static TimeSpan RetryAfter { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Raised once, when what still runs is to end.</summary>
    public event Action? Over;

    /// <summary>Whether the signal has come: who divides requests over gateways is to leave this one out.</summary>
    public bool IsLeaving => Volatile.Read(ref _isLeaving);

    /// <summary>Whether nothing new is taken.</summary>
    public bool IsStopping => Volatile.Read(ref _isStopping);

    /// <summary>Whether what still runs is to end.</summary>
    public bool IsOver => Volatile.Read(ref _isOver);

    /// <summary>The number of requests that have not ended, accounting included.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>A request has come. Counted before it is asked whether it may.</summary>
    public void Enter() => Interlocked.Increment(ref _running);

    /// <summary>A request has ended.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _running) == 0 && IsStopping)
            _empty.TrySetResult();
    }

    /// <summary>Sends a request away, in its own protocol.</summary>
    public static Task RefuseAsync(HttpContext context, BridgeCall call)
    {
        SendElsewhere(context);
        return ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status503ServiceUnavailable, Message, RetryAfter);
    }

    /// <summary>Lets the client's next request find another gateway: whoever goes on on this connection would never hear that it stops.</summary>
    public static void SendElsewhere(HttpContext context) => context.Response.Headers.Connection = "close";

    /// <summary>Waits for what is under way, before the server stops to listen.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        Leaves();
        ShutdownLog.Stopping(_logger, Volatile.Read(ref _running), _options.Delay.TotalSeconds, _options.GracePeriod.TotalSeconds);
        if (await IsDoneAsync(cancellationToken))
            return;
        ShutdownLog.Ending(_logger, Volatile.Read(ref _running));
        Volatile.Write(ref _isOver, true);
        Over?.Invoke();
        await WaitAsync(_empty.Task, Farewell, cancellationToken);
    }

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose() => _signal.Dispose();

    private void Leaves()
    {
        Volatile.Write(ref _isLeaving, true);
        if (_options.Delay == TimeSpan.Zero)
            Volatile.Write(ref _isStopping, true);
    }

    private async Task<bool> IsDoneAsync(CancellationToken cancellationToken)
    {
        var since = _time.GetTimestamp();
        await WaitAsync(Task.Delay(_options.Delay, _time, cancellationToken), _options.GracePeriod, cancellationToken);
        Volatile.Write(ref _isStopping, true);
        // Read behind the mark that nothing is taken: whoever is counted after it is sent away.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _running) > 0)
            await WaitAsync(_empty.Task, _options.GracePeriod - _time.GetElapsedTime(since), cancellationToken);
        return Volatile.Read(ref _running) == 0;
    }

    private async Task WaitAsync(Task task, TimeSpan most, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(most > TimeSpan.Zero ? most : TimeSpan.Zero, _time, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Time is over.
        }
    }
}
