using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>
/// Inspects a connection's first line for cases that Go and Kestrel handle differently: HTTP/1.0 gets an HTTP/1.0 response, and HTTP/2
/// with prior knowledge is disconnected (recordings 07-http10*, 07-h2c-prior-knowledge). HTTP/1.1 passes through.
/// </summary>
internal static class OldHttp
{
    private const int LongestLine = 16 * 1024;
    private const int ClosingLine = 19;
    private static readonly byte[] New = "HTTP/1.1 "u8.ToArray();
    private static readonly byte[] Old = "HTTP/1.0 "u8.ToArray();

    public static async Task OnConnectionAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        var line = await FirstLineAsync(connection.Transport.Input);
        if (line.StartsWith("PRI * HTTP/2", StringComparison.Ordinal))
        {
            connection.Abort();
            return;
        }
        if (!line.EndsWith("HTTP/1.0", StringComparison.Ordinal))
        {
            await next(connection);
            return;
        }
        var transport = connection.Transport;
        var pipe = new Pipe();
        connection.Transport = new Both(transport.Input, pipe.Writer);
        var pump = PumpAsync(pipe.Reader, transport.Output);
        try
        {
            await next(connection);
        }
        finally
        {
            await pipe.Writer.CompleteAsync();
            await pump;
        }
    }

    private static async ValueTask<string> FirstLineAsync(PipeReader input)
    {
        while (true)
        {
            var result = await input.ReadAsync();
            var buffer = result.Buffer;
            var end = buffer.PositionOf((byte)'\n');
            if (end is null && !result.IsCompleted && !result.IsCanceled && buffer.Length < LongestLine)
            {
                input.AdvanceTo(buffer.Start, buffer.End);
                continue;
            }
            var line = end is null ? "" : Encoding.ASCII.GetString(buffer.Slice(0, end.Value)).TrimEnd('\r');
            input.AdvanceTo(buffer.Start);
            return line;
        }
    }

    private static async Task PumpAsync(PipeReader from, PipeWriter to)
    {
        while (true)
        {
            var result = await from.ReadAsync();
            var bytes = result.Buffer.ToArray();
            from.AdvanceTo(result.Buffer.End);
            if (bytes.Length > 0 && (await to.WriteAsync(Aged(bytes))).IsCompleted)
                break;
            if (result.IsCompleted)
                break;
        }
        await from.CompleteAsync();
        await to.CompleteAsync();
    }

    /// <summary>Headers of version 1.0, in which closing is the default.</summary>
    private static byte[] Aged(byte[] bytes)
    {
        if (!bytes.AsSpan().StartsWith(New))
            return bytes;
        Old.CopyTo(bytes, 0);
        var at = bytes.AsSpan().IndexOf("\r\nConnection: close\r\n"u8);
        return at < 0 ? bytes : [.. bytes[..at], .. bytes[(at + ClosingLine)..]];
    }

    private sealed record Both(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
