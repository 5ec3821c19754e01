using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using OllamaBridge.Simulator.Hosting;

namespace OllamaBridge.Simulator;

/// <summary>One Ollama server without weights: real sockets, modelled time, faults on demand.</summary>
public sealed class SimulatedServer : IAsyncDisposable
{
    private readonly KillableListener _listener;
    private readonly KestrelServer _kestrel;
    private readonly OllamaApplication _application;
    private readonly Lock _gate = new();
    private bool _dead;
    private int _disposed;

    private SimulatedServer(SimulatorOptions options)
    {
        // An OpenAI server loads its models once and keeps them.
        if (options.Kind == SimulatorKind.OpenAI)
            options = options with
            {
                Store = new ModelStore(options.Served, options.TimeProvider),
                LoadTime = TimeSpan.Zero,
                KeepAlive = Timeout.InfiniteTimeSpan,
                MaxLoadedModels = Math.Max(1, options.Served.Count),
            };
        Store = options.Store ?? new ModelStore([SimulatedModel.Named("deepseek-r1:7b"), SimulatedModel.Named("nomic-embed-text")], options.TimeProvider);
        Options = options;
        Statistics = new SimulatorStatistics(options.SeenCapacity, options.Together);
        Downloads = new Downloads(Store, options.TimeProvider);
        _listener = new KillableListener(NullLoggerFactory.Instance);
        _application = new OllamaApplication(this);
        _kestrel = new KestrelServer(Microsoft.Extensions.Options.Options.Create(KestrelSettings.For(options)), _listener, NullLoggerFactory.Instance);
        Faults.Changed += ApplyPort;
    }

    /// <summary>Its address; unchanged by a kill and restart.</summary>
    public Uri Url { get; private set; } = new("http://127.0.0.1");

    /// <summary>The options that it was started with.</summary>
    public SimulatorOptions Options { get; }

    /// <summary>Its pending faults.</summary>
    public FaultPlan Faults { get; } = new();

    /// <summary>Its statistics; they survive a kill.</summary>
    public SimulatorStatistics Statistics { get; }

    /// <summary>Its model folder; other servers may share it.</summary>
    public ModelStore Store { get; }

    /// <summary>Requests that wait for their model to be loaded.</summary>
    public int WaitingForLoad => _application.WaitingForLoad;

    /// <summary>Its running pulls.</summary>
    internal Downloads Downloads { get; }

    /// <summary>Its name on the side channel.</summary>
    public string Name => Options.Name ?? Url.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>False between a kill and a restart.</summary>
    public bool IsAlive
    {
        get
        {
            lock (_gate)
                return !_dead;
        }
    }

    /// <summary>Starts a server and waits until it listens.</summary>
    /// <exception cref="IOException">The port is in use.</exception>
    public static async Task<SimulatedServer> StartAsync(SimulatorOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var server = new SimulatedServer(options);
        await server._kestrel.StartAsync(server._application, cancellationToken);
        server.Url = new Uri($"http://{server._listener.EndPoint}");
        return server;
    }

    /// <summary>Kills the server as with kill -9: open connections end at once, the port refuses, loaded models are lost. Complete when it returns.</summary>
    public Task KillAsync()
    {
        lock (_gate)
        {
            _dead = true;
            _listener.Close();
        }
        _listener.CutConnections();
        _application.LoseMemory();
        return Task.CompletedTask;
    }

    /// <summary>Starts a killed server again on the same port, with empty memory; kills a running one first. Faults stay.</summary>
    public async Task RestartAsync(CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        if (IsAlive)
            await KillAsync();
        lock (_gate)
            _dead = false;
        ApplyPort();
    }

    /// <summary>Stops the server and aborts requests in flight.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        Faults.Changed -= ApplyPort;
        await KillAsync();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(2), TimeProvider.System);
        await _kestrel.StopAsync(now.Token);
        _kestrel.Dispose();
        _application.Dispose();
    }

    private void ApplyPort()
    {
        lock (_gate)
        {
            if (_dead || _disposed != 0)
                return;
            if (Faults.Refuses)
                _listener.Close();
            else
                _listener.Open();
        }
    }
}
