using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>
/// One connection of a client whose own cost is small. It sends prepared bytes, and reads from the response only its end, its number of lines and
/// whether it is complete.
/// </summary>
internal sealed class ChatConnection : IDisposable
{
    // The last line of a stream and the end of the chunked body fit into this size, so both can be checked at the end.
    private const int Kept = 1024;
    private const int ReadSize = 8 * 1024;
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[Kept + ReadSize];
    private int _lines;

    /// <summary>The number of lines received so far. May be read while the response is received.</summary>
    public int Lines => Volatile.Read(ref _lines);

    public static async Task<ChatConnection> OpenAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        var connection = new ChatConnection();
        try
        {
            await connection._socket.ConnectAsync(address, cancellationToken);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Sends a request and reads its response to the end.</summary>
    /// <exception cref="MeasurementException">The response is not 200 or not complete, so the measurement is not valid.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> AskAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _lines, 0);
        await _socket.SendAsync(request, cancellationToken);
        var head = await ReadHeadAsync(cancellationToken);
        var (start, end) = (head.BodyStart, head.Filled);
        var total = end - start;
        Volatile.Write(ref _lines, CountLines(_buffer.AsSpan(start, total)));
        while (!(head.Length is { } length ? total >= length : EndsChunked(_buffer.AsSpan(start, end - start))))
        {
            // The kept bytes move to the front. The rest has been processed.
            var keep = Math.Min(Kept, end - start);
            _buffer.AsSpan(end - keep, keep).CopyTo(_buffer);
            var read = await _socket.ReceiveAsync(_buffer.AsMemory(keep), cancellationToken);
            if (read == 0)
                throw new MeasurementException($"a response was cut after {_lines} lines");
            (start, end) = (0, keep + read);
            total += read;
            // A line's end can span two reads, so one kept byte is read again.
            Volatile.Write(ref _lines, _lines + CountLines(_buffer.AsSpan(Math.Max(0, keep - 1), read + Math.Min(1, keep))));
        }

        if (_buffer.AsSpan(start, end - start).LastIndexOf("\"done\":true"u8) < 0)
            throw new MeasurementException("a response ended without \"done\":true");
        return _lines;
    }

    public void Dispose() => _socket.Dispose();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Head> ReadHeadAsync(CancellationToken cancellationToken)
    {
        var filled = 0;
        while (true)
        {
            var read = await _socket.ReceiveAsync(_buffer.AsMemory(filled), cancellationToken);
            if (read == 0)
                throw new MeasurementException("a connection was closed before a response");
            filled += read;
            var end = _buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
                return Parse(_buffer.AsSpan(0, end + 4), filled);
        }
    }

    private static Head Parse(ReadOnlySpan<byte> head, int filled)
    {
        if (!head.StartsWith("HTTP/1.1 200 "u8))
            throw new MeasurementException($"a response had the status {System.Text.Encoding.ASCII.GetString(head[..head.IndexOf((byte)'\r')])}");
        var at = head.IndexOf("Content-Length: "u8);
        if (at < 0)
            return new Head(head.Length, filled, null);
        var digits = head[(at + "Content-Length: "u8.Length)..];
        return new Head(head.Length, filled, int.Parse(digits[..digits.IndexOf((byte)'\r')], CultureInfo.InvariantCulture));
    }

    private static int CountLines(ReadOnlySpan<byte> bytes) => bytes.Count("}\n"u8);

    private static bool EndsChunked(ReadOnlySpan<byte> bytes) => bytes.EndsWith("\r\n0\r\n\r\n"u8);

    private readonly record struct Head(int BodyStart, int Filled, int? Length);
}
