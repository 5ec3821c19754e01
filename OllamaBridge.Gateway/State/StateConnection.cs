using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>The shared connection to Redis, made in the background. Bounds every wait. Without a configured Redis it counts as healthy.</summary>
internal sealed class StateConnection : BackgroundService, IHostedLifecycleService
{
    // A script that writes, because a server that responds to PING may still reject the scripts of the stores.
    private const string ProbeScript = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)";

    private static readonly TimeSpan MaxProbeInterval = TimeSpan.FromSeconds(1);
    // Maximum time that the start waits for the state that other gateways have shared.
    private static readonly TimeSpan StartPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RefusalPatience = TimeSpan.FromSeconds(2);
    private readonly StateOptions _options;
    private readonly TimeProvider _time;
    private readonly IHostApplicationLifetime? _lifetime;
    private readonly ILogger<StateConnection> _logger;
    private readonly StateHealth _health;
    private Task _firstProbe = Task.CompletedTask;
    private ConnectionMultiplexer? _redis;
    private ImmutableArray<SharedStore> _stores = [];
    private TaskCompletionSource _wake = NewWake();

    public StateConnection(IOptions<StateOptions> options, TimeProvider time, ILogger<StateConnection> logger, StateMetrics metrics, IHostApplicationLifetime? lifetime = null)
    {
        _options = options.Value;
        _lifetime = lifetime;
        _time = time;
        _logger = logger;
        _health = new StateHealth(time, logger);
        metrics.ObserveState(() => IsHealthy, () => Stores);
    }

    public bool IsShared => _options.IsShared;

    public TimeSpan OperationTimeout => _options.OperationTimeout;

    /// <summary>Whether Redis responds and accepts writes; true without a configured Redis.</summary>
    public bool IsHealthy => !IsShared || _health.IsHealthy;

    /// <summary>Whether Redis responds but rejects scripts or writes.</summary>
    public bool IsRefusing => _health.IsRefusing;

    public ImmutableArray<SharedStore> Stores => _stores;

    public SharedStore Open(string name, string onLoss)
    {
        var store = new SharedStore(this, name, onLoss);
        ImmutableInterlocked.Update(ref _stores, static (stores, s) => stores.Add(s), store);
        return store;
    }

    internal RedisKey Key(string name) => _options.KeyPrefix + name;

    /// <summary>Runs an operation of a store. With a patience, it also runs while Redis is unhealthy but connected.</summary>
    internal ValueTask<(bool Answered, T? Value)> TryAsync<T>(
        SharedStore store, Func<IDatabase, Task<T>> operation, TimeSpan? patience, CancellationToken cancellationToken) =>
        IsShared && (_health.IsHealthy || (patience is not null && Volatile.Read(ref _redis) is { IsConnected: true }))
            ? RunAsync(operation, store, patience ?? _options.OperationTimeout, cancellationToken)
            : new ValueTask<(bool, T?)>((false, default));

    /// <summary>Connects. The start continues after half a second even if the connection is not ready.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (!IsShared)
            return;
        _firstProbe = ProbeAsync(CancellationToken.None);
        await Task.WhenAny(_firstProbe, Task.Delay(StartPatience, _time, cancellationToken));
        if (_firstProbe.IsCompleted && await FindRefusalAsync(cancellationToken) is { } refusal)
            throw new StateRefusedException(refusal);
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Dispose()
    {
        _redis?.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsShared)
            return;
        try
        {
            await _firstProbe.WaitAsync(stoppingToken);
            // A wrong password is a mistake in the settings. Later, the gateway continues without Redis instead.
            if ((Refusal = await FindRefusalAsync(stoppingToken)) is not null)
                _lifetime?.StopApplication();
            while (true)
            {
                await ProbeAsync(stoppingToken);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    /// <summary>Waits for the next probe: the configured interval, at most one second while unhealthy, and no time after a READONLY error.</summary>
    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var interval = IsHealthy || _options.ProbeInterval < MaxProbeInterval ? _options.ProbeInterval : MaxProbeInterval;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(Task.Delay(interval, _time, end.Token), _wake.Task);
        await end.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        if (_wake.Task.IsCompleted)
            _wake = NewWake();
    }

    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        var isFirst = _redis is null;
        if ((isFirst || _health.IsReconnectDue()) && await ConnectAsync() is { } failure)
        {
            _health.NoteFailure(failure, final: true);
            return;
        }

        if (_redis is { IsConnected: false })
        {
            _health.NoteFailure("not connected", final: true);
            return;
        }

        RedisKey[] keys = [Key("probe")];
        RedisValue[] arguments = [1];
        await RunAsync(redis => redis.ScriptEvaluateAsync(ProbeScript, keys, arguments), null, _options.OperationTimeout, cancellationToken);
    }

    /// <summary>Why Redis refused the credentials at the start, if that was found only after the start; else null.</summary>
    public string? Refusal { get; private set; }

    /// <returns>The reason why Redis refuses this gateway's credentials, without the credentials; null if it does not.</returns>
    private async Task<string?> FindRefusalAsync(CancellationToken cancellationToken)
    {
        if (IsHealthy || Volatile.Read(ref _redis) is not { } redis)
            return null;
        try
        {
            await redis.GetDatabase().PingAsync().WaitAsync(RefusalPatience, _time, cancellationToken);
            return null;
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            return RedisErrors.IsRefused(e)
                ? "Bridge:State:ConnectionString (or ConnectionStrings:state): Redis refuses the password, or wants one. Write host:6379,password=…, with user=… for a user of an access list."
                : null;
        }
    }

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <returns>The error; null if there is none. An unreachable server is not an error: the client keeps retrying.</returns>
    private async Task<string?> ConnectAsync()
    {
        try
        {
            var settings = ConfigurationOptions.Parse(_options.ConnectionString!);
            settings.AbortOnConnectFail = false;
            settings.BacklogPolicy = BacklogPolicy.FailFast;
            settings.ClientName ??= "ollamabridge";
            settings.ConnectTimeout = Math.Min(settings.ConnectTimeout, 2000);
            settings.ReconnectRetryPolicy = new LinearRetry((int)_options.ProbeInterval.TotalMilliseconds);
            settings.HeartbeatInterval = TimeSpan.FromMilliseconds(Math.Clamp(_options.ProbeInterval.TotalMilliseconds, 100, 1000));
            // This class logs each change once, without the address.
            settings.LoggerFactory = null;
            var before = Interlocked.Exchange(ref _redis, await ConnectionMultiplexer.ConnectAsync(settings));
            if (before is not null)
                await before.CloseAsync(allowCommandsToComplete: false);
            return null;
        }
        catch (Exception e)
        {
            // No error may stop the gateway; the next probe retries. The message may contain the address, so only the type is logged.
            return e.GetType().Name;
        }
    }

    private async ValueTask<(bool Answered, T? Value)> RunAsync<T>(
        Func<IDatabase, Task<T>> operation, SharedStore? store, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _redis) is not { } redis)
            return (false, default);
        try
        {
            var since = _time.GetTimestamp();
            var value = await operation(redis.GetDatabase()).WaitAsync(patience, _time, cancellationToken);
            // A patient operation may succeed on a Redis that is too slow for short operations, which does not make it healthy.
            if (_time.GetElapsedTime(since) <= _options.OperationTimeout)
                _health.NoteSuccess(isProbe: store is null);
            store?.NoteAccepted();
            return (true, value);
        }
        catch (TimeoutException)
        {
            _health.NoteFailure("too slow", final: false);
        }
        catch (RedisConnectionException)
        {
            _health.NoteFailure("no connection", final: true);
        }
        catch (Exception e) when (RedisErrors.IsReadOnly(e))
        {
            if (_health.NoteReadOnly())
                _wake.TrySetResult();
            if (store?.NoteRefused() == true)
                StateLog.Refused(_logger, store.Name, RedisErrors.ReadOnly);
            else if (store is null)
                _health.NoteRefusal(RedisErrors.ReadOnly);
        }
        catch (RedisServerException e) when (store is null)
        {
            _health.NoteRefusal(RedisErrors.Code(e));
        }
        catch (RedisServerException e) when (store is not null)
        {
            // Redis responds but rejects this operation, so the other stores stay healthy.
            if (store.NoteRefused())
                StateLog.Refused(_logger, store.Name, RedisErrors.Code(e));
        }
        catch (ObjectDisposedException)
        {
            // The service stops.
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            _health.NoteFailure(e.GetType().Name, final: store is null);
        }

        return (false, default);
    }
}
