using System.Net.Sockets;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Notes which connection an attempt was written to, and whether an earlier request had used it.</summary>
/// <remarks>A kept connection may have gone stale; a new one that breaks says something about the instance.</remarks>
internal sealed class ConnectionUse
{
    private static readonly AsyncLocal<ConnectionUse?> Ambient = new();
    private TrackedConnection? _connection;

    /// <summary>Whether the last connection that was written to had been used before.</summary>
    public bool IsReused { get; private set; }

    /// <summary>Follows what the calling method writes from now on, until it returns.</summary>
    public static ConnectionUse Begin() => Ambient.Value = new ConnectionUse();

    /// <summary>Opens a connection whose use is noted.</summary>
    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new TrackedConnection(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void Note(TrackedConnection connection)
    {
        if (_connection == connection)
            return;
        _connection = connection;
        IsReused = connection.CountUse() > 1;
    }

    private sealed class TrackedConnection(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        private int _uses;

        public int CountUse() => Interlocked.Increment(ref _uses);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Ambient.Value?.Note(this);
            return base.WriteAsync(buffer, cancellationToken);
        }
    }
}
