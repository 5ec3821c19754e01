using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.FunctionalTests.Lifecycle;

/// <summary>Balances connections, not requests, as a Kubernetes Service does: an existing connection stays with its target even if that is removed.</summary>
internal sealed class TcpBalancer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<Task, byte> _relays = new();
    private readonly Task _accepting;
    private ImmutableArray<Uri> _behind;
    private int _next;

    public TcpBalancer(IEnumerable<Uri> behind)
    {
        _behind = [.. behind];
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    public void Add(Uri server) => ImmutableInterlocked.Update(ref _behind, b => b.Add(server));

    public void Remove(Uri server) => ImmutableInterlocked.Update(ref _behind, b => b.Remove(server));

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_relays.Keys);
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_over.Token);
                var relay = RelayAsync(client, _behind[(int)((uint)Interlocked.Increment(ref _next) % (uint)_behind.Length)]);
                _relays.TryAdd(relay, 0);
                _ = relay.ContinueWith(r => _relays.TryRemove(r, out _), TaskScheduler.Default);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The connection has ended.
        }
    }

    private async Task RelayAsync(TcpClient client, Uri to)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(to.Host, to.Port, _over.Token);
                client.NoDelay = server.NoDelay = true;
                var (near, far) = (client.GetStream(), server.GetStream());
                await Task.WhenAll(CopyAsync(near, far, server), CopyAsync(far, near, client));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // The client of the connection sees the end.
            }
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to, TcpClient receiver)
    {
        await from.CopyToAsync(to, _over.Token);
        receiver.Client.Shutdown(SocketShutdown.Send);
    }
}
