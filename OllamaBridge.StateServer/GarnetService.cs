using System.Net;
using System.Net.Sockets;
using Garnet;

namespace OllamaBridge.StateServer;

/// <summary>Runs a Garnet server in this process.</summary>
internal sealed partial class GarnetService(StateServerOptions options, ILoggerFactory loggers, StateTelemetry? telemetry = null) : IHostedService, IDisposable
{
    private const string LockFile = "in-use.lock";
    private readonly ILogger _logger = loggers.CreateLogger<GarnetService>();
    private FileStream? _lock;
    private GarnetServer? _garnet;

    /// <summary>Recovers the data folder and starts listening.</summary>
    /// <exception cref="StateServerException">The port or the folder is not available, or Garnet failed to start.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        using var span = StateTelemetry.Start("recover");
        EnsurePortIsFree();
        LockData();
        try
        {
            _garnet = new GarnetServer(GarnetOptions.For(options), loggers);
            _garnet.Start();
            telemetry?.Observe(_garnet.Metrics);
        }
        catch (SocketException e)
        {
            throw PortTaken(e);
        }
        catch (Exception e) when (e is not StateServerException)
        {
            throw new StateServerException($"The state server cannot start: {e.Message}", e);
        }
        LogServing(_logger, options);
        return Task.CompletedTask;
    }

    /// <summary>Flushes the append-only file to disk, then stops.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var span = StateTelemetry.Start("commit");
        telemetry?.Observe(null);
        if (_garnet is not null && options.Data is not null)
            await _garnet.Store.CommitAOFAsync(cancellationToken);
        Dispose();
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _garnet, null)?.Dispose();
        Interlocked.Exchange(ref _lock, null)?.Dispose();
    }

    /// <summary>Checks the port explicitly, because Garnet uses SO_REUSEPORT and does not detect another Garnet of the same user on it.</summary>
    private void EnsurePortIsFree()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, options.Port));
        }
        catch (SocketException e)
        {
            throw PortTaken(e);
        }
    }

    private void LockData()
    {
        if (options.Data is null)
            return;
        try
        {
            Directory.CreateDirectory(options.Data);
            _lock = new FileStream(Path.Combine(options.Data, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StateServerException($"The data folder {options.Data} is not accessible, or another server uses it: {e.Message}", e);
        }
    }

    private StateServerException PortTaken(SocketException e) =>
        new($"Port {options.Port} on 127.0.0.1 is not available ({e.SocketErrorCode}); choose another with --port or STATE_PORT.", e);

    [LoggerMessage(1, LogLevel.Information, "Serving the Redis protocol on {Options}.")]
    private static partial void LogServing(ILogger logger, StateServerOptions options);
}
