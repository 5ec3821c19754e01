using System.Net.Sockets;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The connection that an attempt was written to. A kept one may be stale; a failure of a new one is evidence about the instance.</summary>
internal sealed class ConnectionUse
{
    private static readonly AsyncLocal<ConnectionUse?> Ambient = new();
    private TrackedConnection? _connection;

    public bool IsReused { get; private set; }

    /// <summary>Tracks the connections to which the calling method writes until it returns.</summary>
    public static ConnectionUse Begin() => Ambient.Value = new ConnectionUse();

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
