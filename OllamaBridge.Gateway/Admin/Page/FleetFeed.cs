using System.Text.Json;
using System.Threading.Channels;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>Publishes one picture of the fleet per second to all listeners, and makes none while there are no listeners.</summary>
/// <remarks>A slow listener misses pictures: its buffer holds only the latest one.</remarks>
internal sealed class FleetFeed : IDisposable
{
    /// <summary>Maximum number of listeners: each is an open connection.</summary>
    public const int MaxListeners = 32;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Func<DashboardSnapshot> _take;
    private readonly ILogger<FleetFeed> _logger;
    private readonly TimeProvider _time;
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly List<Channel<byte[]>> _listeners = [];
    private readonly CancellationTokenRegistration _signal;
    private byte[]? _latest;
    private ITimer? _timer;

    public FleetFeed(DashboardSnapshots pictures, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<FleetFeed> logger)
        : this(pictures.Take, lifetime.ApplicationStopping, time, logger)
    {
    }

    internal FleetFeed(Func<DashboardSnapshot> take, CancellationToken stopping, TimeProvider time, ILogger<FleetFeed> logger)
    {
        (_take, _time, _stopping, _logger) = (take, time, stopping, logger);
        _signal = stopping.Register(Stop);
    }

    public int Listeners
    {
        get
        {
            lock (_lock)
                return _listeners.Count;
        }
    }

    /// <summary>The channel contains the first picture. Null if there are too many listeners or the gateway stops.</summary>
    public Channel<byte[]>? Join()
    {
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested || _listeners.Count >= MaxListeners)
                return null;
            var channel = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
            // Made first, so that an exception leaves the listeners unchanged.
            channel.Writer.TryWrite(_latest ??= Make());
            _listeners.Add(channel);
            _timer ??= _time.CreateTimer(_ => Publish(), null, Interval, Interval);
            return channel;
        }
    }

    public void Leave(Channel<byte[]> channel)
    {
        lock (_lock)
        {
            _listeners.Remove(channel);
            if (_listeners.Count == 0)
                Rest();
        }
    }

    public void Dispose()
    {
        _signal.Dispose();
        End();
    }

    private void Publish()
    {
        lock (_lock)
        {
            if (_listeners.Count == 0)
                return;
            try
            {
                _latest = Make();
            }
            catch (Exception e)
            {
                // An exception on a timer is not caught elsewhere. The listeners reconnect, and get the error then.
                FleetFeedLog.NoPicture(_logger, e);
                End();
                return;
            }

            foreach (var listener in _listeners)
                listener.Writer.TryWrite(_latest);
        }
    }

    /// <summary>Publishes the last picture, which announces the stop, and ends all listeners.</summary>
    private void Stop()
    {
        Publish();
        End();
    }

    private void End()
    {
        lock (_lock)
        {
            foreach (var listener in _listeners)
                listener.Writer.TryComplete();
            _listeners.Clear();
            Rest();
        }
    }

    private void Rest()
    {
        _timer?.Dispose();
        (_timer, _latest) = (null, null);
    }

    // Serialized once for all listeners.
    private byte[] Make() =>
        [.. "data: "u8, .. JsonSerializer.SerializeToUtf8Bytes(_take() with { Stopping = _stopping.IsCancellationRequested }, PageJson.Default.DashboardSnapshot), .. "\n\n"u8];
}
