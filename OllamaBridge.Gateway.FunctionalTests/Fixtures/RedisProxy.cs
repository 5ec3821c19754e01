using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A proxy between a gateway and Redis that can delay or drop responses and change its target.</summary>
internal sealed class RedisProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _open = new();
    private readonly Task _accepting;
    private int _swallow;

    public RedisProxy()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>The address for a gateway's connection string.</summary>
    public string Address => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>The port of Redis; 0 closes every new connection.</summary>
    public int Target { get; set; }

    /// <summary>The delay of responses.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>The number of next responses to drop. Redis has executed the command, and the connection closes instead of the response.</summary>
    public int Swallow { get => Volatile.Read(ref _swallow); set => Volatile.Write(ref _swallow, value); }

    /// <summary>Closes all connections and refuses new ones.</summary>
    public void Lose()
    {
        Target = 0;
        foreach (var client in _open.Keys)
            client.Close();
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Lose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_end.Token);
            if (Target == 0)
                client.Close();
            else
                _ = ServeAsync(client, Target);
        }
    }

    private async Task ServeAsync(TcpClient client, int target)
    {
        using var redis = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        _open[client] = true;
        try
        {
            await redis.ConnectAsync(IPAddress.Loopback, target, _end.Token);
            await Task.WhenAny(CopyAsync(client, redis, late: false), CopyAsync(redis, client, late: true));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Either side has closed the connection.
        }
        finally
        {
            _open.TryRemove(client, out _);
            client.Close();
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to, bool late)
    {
        var buffer = new byte[65536];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _end.Token) is > 0 and var count)
            {
                if (late && Swallow > 0)
                {
                    Interlocked.Decrement(ref _swallow);
                    return;
                }

                if (late && Delay > TimeSpan.Zero)
                    await Task.Delay(Delay, _end.Token);
                await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _end.Token);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // Either side has closed the connection.
        }
    }
}
