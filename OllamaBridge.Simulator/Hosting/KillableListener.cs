using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>
/// A port for Kestrel that can be closed and opened again while Kestrel keeps running, so that a server can die as with kill -9
/// (connections closed, port refusing) and restart on the same port. A closed port stays bound and so reserved: on Linux by a
/// second socket that never listens, because between closing and binding again an outgoing connection might get the port.
/// </summary>
internal sealed class KillableListener : IConnectionListenerFactory, IConnectionListener
{
    private const int Backlog = 1024;

    private readonly Lock _gate = new();
    private readonly Channel<ConnectionContext> _accepted = Channel.CreateUnbounded<ConnectionContext>();
    private readonly ConcurrentDictionary<ConnectionContext, byte> _connections = new();
    private readonly SocketConnectionContextFactory _factory;
    private IPEndPoint? _endPoint;
    private Socket? _socket;
    private Socket? _reservation;
    private bool _listening;

    public KillableListener(ILoggerFactory loggers) =>
        _factory = new SocketConnectionContextFactory(new SocketConnectionFactoryOptions(), loggers.CreateLogger<KillableListener>());

    public EndPoint EndPoint => _endPoint ?? throw new InvalidOperationException("Not bound.");

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        _endPoint = (IPEndPoint)endpoint;
        Open();
        return ValueTask.FromResult<IConnectionListener>(this);
    }

    /// <summary>Starts to accept connections; no effect if it does already.</summary>
    /// <exception cref="AddressInUseException">Another process has the port.</exception>
    public void Open()
    {
        lock (_gate)
        {
            if (_listening)
                return;
            // .NET binds with SO_REUSEADDR: on Linux two sockets can share a port if only one listens.
            if (OperatingSystem.IsLinux())
                _reservation ??= Bind();
            _socket ??= Bind();
            _socket.Listen(Backlog);
            _listening = true;
            _ = AcceptLoopAsync(_socket);
        }
    }

    /// <summary>Refuses new connections; open ones stay.</summary>
    public void Close()
    {
        lock (_gate)
        {
            if (!_listening)
                return;
            _listening = false;
            _socket!.Dispose();
            _socket = _reservation is null ? Bind() : null;
        }
    }

    /// <summary>Closes every open connection at once and discards unsent bytes.</summary>
    public void CutConnections()
    {
        foreach (var connection in _connections.Keys)
            connection.Abort(new ConnectionAbortedException("The simulated server was killed."));
    }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_accepted.Reader.TryRead(out var connection))
                return connection;
        }
        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _listening = false;
            _socket?.Dispose();
            _socket = null;
            _reservation?.Dispose();
            _reservation = null;
        }
        _accepted.Writer.TryComplete();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync();
        _factory.Dispose();
    }

    private Socket Bind()
    {
        var socket = new Socket(_endPoint!.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(_endPoint);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            socket.Dispose();
            throw new AddressInUseException(e.Message, e);
        }
        _endPoint = (IPEndPoint)socket.LocalEndPoint!;
        return socket;
    }

    private async Task AcceptLoopAsync(Socket socket)
    {
        while (true)
        {
            try
            {
                var client = await socket.AcceptAsync();
                client.NoDelay = true;
                Track(_factory.Create(client));
            }
            catch (SocketException) when (IsCurrent(socket))
            {
                // A connection was reset before it was accepted.
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private bool IsCurrent(Socket socket)
    {
        lock (_gate)
            return _listening && ReferenceEquals(socket, _socket);
    }

    private void Track(ConnectionContext connection)
    {
        _connections[connection] = 0;
        connection.ConnectionClosed.Register(() => _connections.TryRemove(connection, out _));
        _accepted.Writer.TryWrite(connection);
    }
}
