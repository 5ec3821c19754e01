using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Telemetry;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>The shared connection to Redis. It connects in the background, probes Redis periodically and bounds every wait.</summary>
/// <remarks>Without a configured Redis it does nothing and counts as healthy.</remarks>
internal sealed class StateConnection : BackgroundService, IHostedLifecycleService
{
    private const string ReadOnly = "READONLY";
    // A single late response does not mark Redis as lost.
    private const int FailuresToLose = 2;
    // A script that writes, because a server that responds to PING may still reject the scripts of the stores.
    private const string Probe = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)";

    // Delay before a lost connection is replaced by a new one, which resolves the address again. Later replacements wait twice as long.
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxProbeInterval = TimeSpan.FromSeconds(1);
    // Maximum time that the start waits for the state that other gateways have shared.
    private static readonly TimeSpan StartPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RefusalPatience = TimeSpan.FromSeconds(2);
    private readonly StateOptions _options;
    private readonly TimeProvider _time;
    private readonly IHostApplicationLifetime? _lifetime;
    private readonly ILogger<StateConnection> _logger;
    private readonly Lock _lock = new();
    private Task _firstLook = Task.CompletedTask;
    private ConnectionMultiplexer? _redis;
    private volatile Health _health;
    private ImmutableArray<SharedStore> _stores = [];
    private int _failures;
    private Moment? _reconnectAt;
    private TaskCompletionSource _wake = NewWake();

    public StateConnection(
        IOptions<StateOptions> options, TimeProvider time, ILogger<StateConnection> logger, BridgeMetrics metrics, IHostApplicationLifetime? lifetime = null)
    {
        _options = options.Value;
        _lifetime = lifetime;
        _time = time;
        _logger = logger;
        metrics.ObserveState(() => IsHealthy, () => Stores);
    }

    private enum Health
    {
        Unknown,
        Answers,
        Refuses,
        Lost,
    }

    public bool IsShared => _options.IsShared;

    /// <summary>Whether Redis responds and accepts writes; true without a configured Redis.</summary>
    public bool IsHealthy => !IsShared || _health == Health.Answers;

    /// <summary>Whether Redis responds but rejects scripts or writes.</summary>
    public bool IsRefusing => _health == Health.Refuses;

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
        IsShared && (_health == Health.Answers || (patience is not null && Volatile.Read(ref _redis) is { IsConnected: true }))
            ? AskAsync(operation, store, patience ?? _options.OperationTimeout, cancellationToken)
            : new ValueTask<(bool, T?)>((false, default));

    /// <summary>Connects. The start continues after half a second even if the connection is not ready.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (!IsShared)
            return;
        _firstLook = LookAsync(CancellationToken.None);
        await Task.WhenAny(_firstLook, Task.Delay(StartPatience, _time, cancellationToken));
        if (_firstLook.IsCompleted && await FindRefusalAsync(cancellationToken) is { } refusal)
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
            await _firstLook.WaitAsync(stoppingToken);
            // A wrong password is a mistake in the settings. Later, the gateway continues without Redis instead.
            if ((Refusal = await FindRefusalAsync(stoppingToken)) is not null)
                _lifetime?.StopApplication();
            while (true)
            {
                await LookAsync(stoppingToken);
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

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var isFirst = _redis is null;
        if ((isFirst || IsReconnectDue()) && await ConnectAsync() is { } failure)
        {
            NoteFailure(failure, final: true);
            return;
        }

        if (_redis is { IsConnected: false })
        {
            NoteFailure("not connected", final: true);
            return;
        }

        RedisKey[] keys = [Key("probe")];
        RedisValue[] arguments = [1];
        await AskAsync(redis => redis.ScriptEvaluateAsync(Probe, keys, arguments), null, _options.OperationTimeout, cancellationToken);
    }

    /// <summary>Whether to replace the connection by one to the server that DNS, or the sentinel, returns now.</summary>
    private bool IsReconnectDue()
    {
        lock (_lock)
        {
            if (_reconnectAt is not { } due || _time.GetMoment() < due)
                return false;
            _reconnectAt = _time.GetMoment() + (2 * ReconnectAfter);
            StateLog.Reconnecting(_logger);
            return true;
        }
    }

    /// <summary>Handles a READONLY error: the connected server is no longer the primary, so reconnect at once.</summary>
    private void NoteReadOnly()
    {
        lock (_lock)
        {
            // A repeated reconnection waits for its delay.
            if (_reconnectAt is not null)
                return;
            _reconnectAt = _time.GetMoment();
        }

        _wake.TrySetResult();
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
            return IsRefused(e)
                ? "Bridge:State:ConnectionString (or ConnectionStrings:state): Redis refuses the password, or wants one. Write host:6379,password=…, with user=… for a user of an access list."
                : null;
        }
    }

    private static bool IsRefused(Exception e) =>
        e is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }
        || (e is RedisServerException
                && (e.Message.StartsWith("NOAUTH", StringComparison.Ordinal) || e.Message.StartsWith("WRONGPASS", StringComparison.Ordinal)))
        || (e is AggregateException several ? several.InnerExceptions.Any(IsRefused) : e.InnerException is { } inner && IsRefused(inner));

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

    private async ValueTask<(bool Answered, T? Value)> AskAsync<T>(
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
                NoteSuccess(isProbe: store is null);
            store?.NoteAccepted();
            return (true, value);
        }
        catch (TimeoutException)
        {
            NoteFailure("too slow", final: false);
        }
        catch (RedisConnectionException)
        {
            NoteFailure("no connection", final: true);
        }
        catch (Exception e) when (IsReadOnly(e))
        {
            NoteReadOnly();
            if (store?.NoteRefused() == true)
                StateLog.Refused(_logger, store.Name, ReadOnly);
            else if (store is null)
                NoteRefusal(ReadOnly);
        }
        catch (RedisServerException e) when (store is null)
        {
            NoteRefusal(e.Message.Split(' ')[0]);
        }
        catch (RedisServerException e) when (store is not null)
        {
            // Redis responds but rejects this operation, so the other stores stay healthy. Only the error code, which is the first word (ERR, READONLY,
            // NOPERM), is logged: the rest may contain data of the operation.
            if (store.NoteRefused())
                StateLog.Refused(_logger, store.Name, e.Message.Split(' ')[0]);
        }
        catch (ObjectDisposedException)
        {
            // The service stops.
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            NoteFailure(e.GetType().Name, final: store is null);
        }

        return (false, default);
    }

    /// <summary>Whether an error shows that the server is a replica, by its response or by the knowledge of the client.</summary>
    private static bool IsReadOnly(Exception e) => e switch
    {
        RedisServerException => e.Message.StartsWith(ReadOnly, StringComparison.Ordinal) || e.Message.StartsWith("MASTERDOWN", StringComparison.Ordinal),
        RedisCommandException => e.Message.Contains("replica", StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    private void NoteSuccess(bool isProbe)
    {
        Volatile.Write(ref _failures, 0);
        // A successful store operation may be a read, which does not show that writes are accepted again; only the probe does.
        if (_health == Health.Answers || (_health == Health.Refuses && !isProbe))
            return;
        lock (_lock)
        {
            _reconnectAt = null;
            if (_health == Health.Answers)
                return;
            StateLog.Healthy(_logger);
            _health = Health.Answers;
        }
    }

    private void NoteRefusal(string code)
    {
        lock (_lock)
        {
            _failures = 0;
            if (_health == Health.Refuses)
                return;
            StateLog.RefusesAll(_logger, code);
            _health = Health.Refuses;
        }
    }

    private void NoteFailure(string reason, bool final)
    {
        lock (_lock)
        {
            if (_health == Health.Lost || (++_failures < FailuresToLose && !final))
                return;
            StateLog.Lost(_logger, reason);
            _health = Health.Lost;
            _reconnectAt ??= _time.GetMoment() + ReconnectAfter;
        }
    }
}
