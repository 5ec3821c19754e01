using System.IO.Compression;
using System.Net.Http.Headers;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>A compressed response, decompressed: a server or proxy may compress although the bridge asks for none.</summary>
internal sealed class DecodedStream(Stream decoder) : ForwardOnlyStream
{
    /// <summary>Opens a response's content and takes what no longer holds out of its headers.</summary>
    /// <param name="source">The content as it comes.</param>
    /// <param name="headers">The content's headers.</param>
    /// <returns>Null if it is compressed in a way that the bridge can't read.</returns>
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

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await decoder.ReadAsync(buffer, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new IOException("the response is not compressed as its header says", e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            decoder.Dispose();
        base.Dispose(disposing);
    }
}
