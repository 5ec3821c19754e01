using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Tests.State;

/// <summary>Stands between a gateway and Redis: lets everything through, late, or not at all; and can change where to.</summary>
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

    /// <summary>The address as a gateway is told it.</summary>
    public string Address => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Redis's port; 0: there is none, and who comes is sent away.</summary>
    public int Target { get; set; }

    /// <summary>How late answers come.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>So many answers are not passed on: the connection ends in place of each, after Redis has done what it was asked.</summary>
    public int Swallow { get => Volatile.Read(ref _swallow); set => Volatile.Write(ref _swallow, value); }

    /// <summary>There is no Redis any more.</summary>
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
            // Either side has gone.
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
            // Either side has gone.
        }
    }
}
