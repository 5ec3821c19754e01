using System.Text.Json;
using System.Threading.Channels;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>One picture of the fleet a second for everybody who looks; made only while somebody does.</summary>
/// <remarks>Who reads too slowly misses pictures; nothing is kept for them but the newest.</remarks>
internal sealed class FleetFeed : IDisposable
{
    /// <summary>How many may look at the same time: each is an open connection.</summary>
    public const int MaxListeners = 32;

    /// <summary>Time between two pictures.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Func<FleetPicture> _take;
    private readonly ILogger<FleetFeed> _logger;
    private readonly TimeProvider _time;
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly List<Channel<byte[]>> _listeners = [];
    private readonly CancellationTokenRegistration _signal;
    private byte[]? _latest;
    private ITimer? _timer;

    public FleetFeed(FleetPictures pictures, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<FleetFeed> logger)
        : this(pictures.Take, lifetime.ApplicationStopping, time, logger)
    {
    }

    internal FleetFeed(Func<FleetPicture> take, CancellationToken stopping, TimeProvider time, ILogger<FleetFeed> logger)
    {
        (_take, _time, _stopping, _logger) = (take, time, stopping, logger);
        _signal = stopping.Register(Stop);
    }

    /// <summary>How many look.</summary>
    public int Listeners
    {
        get
        {
            lock (_lock)
                return _listeners.Count;
        }
    }

    /// <summary>Begins to look. The first picture is there at once.</summary>
    /// <returns>Pictures as events, until <see cref="Leave"/> or the gateway stops; null where too many look, or it stops already.</returns>
    public Channel<byte[]>? Join()
    {
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested || _listeners.Count >= MaxListeners)
                return null;
            var channel = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
            // Before anything is changed: what cannot be made is nobody's to wait for.
            channel.Writer.TryWrite(_latest ??= Make());
            _listeners.Add(channel);
            _timer ??= _time.CreateTimer(_ => Tell(), null, Interval, Interval);
            return channel;
        }
    }

    /// <summary>Ends looking. With the last listener the making ends.</summary>
    public void Leave(Channel<byte[]> channel)
    {
        lock (_lock)
        {
            _listeners.Remove(channel);
            if (_listeners.Count == 0)
                Rest();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signal.Dispose();
        End();
    }

    private void Tell()
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
                // On a timer nobody would catch it. Who looks comes again, and hears what is wrong.
                FleetFeedLog.NoPicture(_logger, e);
                End();
                return;
            }

            foreach (var listener in _listeners)
                listener.Writer.TryWrite(_latest);
        }
    }

    /// <summary>The last picture says that there will be no other.</summary>
    private void Stop()
    {
        Tell();
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

    // Framed once for all who look.
    private byte[] Make() => [.. "data: "u8, .. JsonSerializer.SerializeToUtf8Bytes(_take() with { Stopping = _stopping.IsCancellationRequested }, PageJson.Default.FleetPicture), .. "\n\n"u8];
}
