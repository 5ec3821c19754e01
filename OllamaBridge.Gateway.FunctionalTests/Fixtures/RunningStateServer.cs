using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using OllamaBridge.StateServer;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A StateServer in this process, on a free port.</summary>
internal sealed class RunningStateServer : IAsyncDisposable
{
    private readonly GarnetService _service;

    private RunningStateServer(GarnetService service, StateServerOptions options) => (_service, Options) = (service, options);

    public StateServerOptions Options { get; }

    public static async Task<RunningStateServer> StartAsync(StateServerOptions? options = null)
    {
        var asked = (options ?? new StateServerOptions()) with { Port = FreePort() };
        var service = new GarnetService(asked, NullLoggerFactory.Instance);
        await service.StartAsync(TestContext.Current.CancellationToken);
        return new RunningStateServer(service, asked);
    }

    /// <summary>Connects with a gateway's client library.</summary>
    public Task<ConnectionMultiplexer> ConnectAsync(string? password = null) => ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions
    {
        EndPoints = { new IPEndPoint(IPAddress.Loopback, Options.Port) },
        Password = password,
        ConnectRetry = 1,
    });

    public async ValueTask DisposeAsync()
    {
        await _service.StopAsync(CancellationToken.None);
        _service.Dispose();
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
