using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using OllamaBridge.Simulator.Hosting;

namespace OllamaBridge.Simulator.Control;

/// <summary>A separate port for the side channels of several servers, so that a killed one can be controlled: /&lt;name&gt;/__sim/….</summary>
internal sealed class ControlServer : IHttpApplication<HttpContext>, IAsyncDisposable
{
    private readonly IReadOnlyList<SimulatedServer> _servers;
    private readonly KillableListener _listener = new(NullLoggerFactory.Instance);
    private readonly KestrelServer _kestrel;

    private ControlServer(int port, IReadOnlyList<SimulatedServer> servers)
    {
        _servers = servers;
        var settings = KestrelSettings.For(new SimulatorOptions { Address = IPAddress.Loopback, Port = port });
        _kestrel = new KestrelServer(Microsoft.Extensions.Options.Options.Create(settings), _listener, NullLoggerFactory.Instance);
    }

    public Uri Url => new($"http://{_listener.EndPoint}");

    /// <exception cref="IOException">The port is in use.</exception>
    public static async Task<ControlServer> StartAsync(int port, IReadOnlyList<SimulatedServer> servers)
    {
        var server = new ControlServer(port, servers);
        await server._kestrel.StartAsync(server, CancellationToken.None);
        return server;
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public async Task ProcessRequestAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "/";
        var second = path.IndexOf('/', 1);
        var server = second < 0 ? null : _servers.FirstOrDefault(s => s.Name == path[1..second]);
        if (server is null || !SideChannel.IsFor(path[second..]))
            await Reply.BytesAsync(context, 404, "404 page not found"u8.ToArray(), ContentTypes.BareText);
        else
            await SideChannel.HandleAsync(context, server, path[second..]);
    }

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async ValueTask DisposeAsync()
    {
        _listener.CutConnections();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1), TimeProvider.System);
        await _kestrel.StopAsync(now.Token);
        _kestrel.Dispose();
    }
}
