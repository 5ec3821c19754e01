using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.State;

/// <summary>The health of the shared state, and the time of the next reconnection. Logs each change once.</summary>
internal sealed class StateHealth(TimeProvider time, ILogger logger)
{
    // A single late response does not mark Redis as lost.
    private const int FailuresToLose = 2;
    // Delay before a lost connection is replaced by a new one, which resolves the address again. Later replacements wait twice as long.
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromSeconds(1);
    private readonly Lock _lock = new();
    private volatile Health _health;
    private int _failures;
    private Moment? _reconnectAt;

    private enum Health
    {
        Unknown,
        Answers,
        Refuses,
        Lost,
    }

    public bool IsHealthy => _health == Health.Answers;

    public bool IsRefusing => _health == Health.Refuses;

    /// <summary>Whether to replace the connection by one to the server that DNS, or the sentinel, returns now.</summary>
    public bool IsReconnectDue()
    {
        lock (_lock)
        {
            if (_reconnectAt is not { } due || time.GetMoment() < due)
                return false;
            _reconnectAt = time.GetMoment() + (2 * ReconnectAfter);
            StateLog.Reconnecting(logger);
            return true;
        }
    }

    /// <summary>Returns whether to reconnect at once: the connected server is no longer the primary. A repeated reconnection waits for its delay.</summary>
    public bool NoteReadOnly()
    {
        lock (_lock)
        {
            if (_reconnectAt is not null)
                return false;
            _reconnectAt = time.GetMoment();
            return true;
        }
    }

    public void NoteSuccess(bool isProbe)
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
            StateLog.Healthy(logger);
            _health = Health.Answers;
        }
    }

    public void NoteRefusal(string code)
    {
        lock (_lock)
        {
            _failures = 0;
            if (_health == Health.Refuses)
                return;
            StateLog.RefusesAll(logger, code);
            _health = Health.Refuses;
        }
    }

    /// <summary>Records a failure. <paramref name="final"/>: whether one such failure marks Redis as lost.</summary>
    public void NoteFailure(string reason, bool final)
    {
        lock (_lock)
        {
            if (_health == Health.Lost || (++_failures < FailuresToLose && !final))
                return;
            StateLog.Lost(logger, reason);
            _health = Health.Lost;
            _reconnectAt ??= time.GetMoment() + ReconnectAfter;
        }
    }
}
