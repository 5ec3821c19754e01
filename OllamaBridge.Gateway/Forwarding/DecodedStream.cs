using System.IO.Compression;
using System.Net.Http.Headers;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decompresses a response. Servers and proxies may compress although the bridge requests no compression.</summary>
internal sealed class DecodedStream(Stream decoder) : ForwardOnlyStream
{
    /// <summary>Removes from <paramref name="headers"/> those that decompression makes wrong.</summary>
    /// <returns>Null if the compression is not supported.</returns>
    public static Stream? Open(Stream source, HttpContentHeaders headers)
    {
        if (!headers.NonValidated.Contains("Content-Encoding"))
            return source;
        var stream = source;
        foreach (var encoding in headers.ContentEncoding.Reverse())
        {
            Stream? decoder = encoding.ToLowerInvariant() switch
            {
                "gzip" or "x-gzip" => new GZipStream(stream, CompressionMode.Decompress),
                "deflate" => new ZLibStream(stream, CompressionMode.Decompress),
                "br" => new BrotliStream(stream, CompressionMode.Decompress),
                "identity" => stream,
                _ => null,
            };
            if (decoder is null)
                return null;
            stream = decoder;
        }

        headers.Remove("Content-Encoding");
        if (stream == source)
            return source;
        headers.Remove("Content-Length");
        return new DecodedStream(stream);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await decoder.ReadAsync(buffer, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new IOException("the response is not compressed as its Content-Encoding declares", e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            decoder.Dispose();
        base.Dispose(disposing);
    }
}
