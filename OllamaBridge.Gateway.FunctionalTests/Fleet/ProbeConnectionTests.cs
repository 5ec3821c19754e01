using System.Net;
using System.Net.Sockets;
using System.Text;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Fleet;

/// <summary>A server that accepts no new connections while its existing ones still work: it stops, or another process takes over its address.</summary>
public sealed class ProbeConnectionTests
{
    [Fact]
    public async Task Probe_ListenerClosedWithLiveConnections_UnhealthyUntilItListensAgain()
    {
        using var old = new TinyServer(0);
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Urls", $"http://127.0.0.1:{old.Port}"), ("Bridge:Health:Interval", "00:00:00.6"));
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Healthy, "it is healthy");

        old.StopListening();
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Unhealthy, "its listener is missed");

        using var replacement = new TinyServer(old.Port);
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Healthy, "the one in its place is found");
        Assert.True(replacement.Requests > 0);
    }

    /// <summary>Serves health routes and keeps every connection open.</summary>
    private sealed class TinyServer : IDisposable
    {
        private readonly TcpListener _listener;
        private readonly List<TcpClient> _clients = [];
        private int _requests;

        public TinyServer(int port)
        {
            _listener = new TcpListener(IPAddress.Loopback, port);
            _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _ = AcceptAsync();
        }

        public int Port { get; }

        public int Requests => Volatile.Read(ref _requests);

        public void StopListening() => _listener.Stop();

        public void Dispose()
        {
            _listener.Dispose();
            lock (_clients)
                _clients.ForEach(c => c.Dispose());
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var client = await _listener.AcceptTcpClientAsync();
                    lock (_clients)
                        _clients.Add(client);
                    _ = ServeAsync(client);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The listener was closed.
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
            try
            {
                while (await reader.ReadLineAsync() is { } line)
                {
                    while (await reader.ReadLineAsync() is { Length: > 0 })
                    {
                    }

                    Interlocked.Increment(ref _requests);
                    var body = line.Contains("/api/version", StringComparison.Ordinal) ? """{"version":"0.32.15"}""" : """{"models":[]}""";
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The bridge was disposed.
            }
        }
    }
}
