using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>From the signal on, the gateway is not ready. After the delay it rejects new requests; after the grace period all end with an error.</summary>
/// <remarks>The server keeps listening until all requests have ended.</remarks>
internal sealed class GracefulStop : IHostedLifecycleService, IDisposable
{
    public const string Message = "the bridge is being stopped, please try again";

    // Time for the remaining requests to write their error.
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
        // Set here, not when the options are configured: the host reads its options before ours are validated, but it uses ShutdownTimeout only at the end.
        host.Value.ShutdownTimeout = _options.GracePeriod + Reserve;
        _time = time;
        _logger = logger;
        _signal = lifetime.ApplicationStopping.Register(Leaves);
    }

    /// <summary>Time that the host adds to the grace period, to write errors, close connections and leave the shared state.</summary>
    public static TimeSpan Reserve { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Value of <c>Retry-After</c>. By then the client reaches another gateway or this one's successor.</summary>
    public static TimeSpan RetryAfter { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Raised once, when the grace period ends while requests still run. They must end now.</summary>
    public event Action? Over;

    /// <summary>Whether the signal to stop was received. Load balancers must stop sending requests to this gateway.</summary>
    public bool IsLeaving => Volatile.Read(ref _isLeaving);

    public bool IsStopping => Volatile.Read(ref _isStopping);

    public bool IsOver => Volatile.Read(ref _isOver);

    /// <summary>Number of requests that have not ended. A request ends after its accounting.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Counts a request. Must be called before <see cref="IsStopping"/> is read for it.</summary>
    public void Enter() => Interlocked.Increment(ref _running);

    public void Leave()
    {
        if (Interlocked.Decrement(ref _running) == 0 && IsStopping)
            _empty.TrySetResult();
    }

    /// <summary>Waits for running requests. The host calls this before the server stops listening.</summary>
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

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

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
        // Read _running only after _isStopping is visible: a request that is counted later is rejected.
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
            // The time is up, or the host cancels the shutdown.
        }
    }
}
