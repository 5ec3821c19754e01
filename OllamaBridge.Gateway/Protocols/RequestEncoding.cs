using System.IO.Compression;
using ZstdSharp;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Content encodings of request bodies that the bridge can look into.</summary>
internal static class RequestEncoding
{
    /// <summary>The encodings, as <c>Accept-Encoding</c> of a 415 lists them (RFC 9110, 15.5.16).</summary>
    public const string Supported = "zstd, gzip";

    /// <summary>A request's content encoding, in lower case; null if its body isn't encoded.</summary>
    public static string? Of(IHeaderDictionary headers)
    {
        var value = headers.ContentEncoding.ToString();
        return value.Length == 0 || value.Equals("identity", StringComparison.OrdinalIgnoreCase) ? null : value.Trim().ToLowerInvariant();
    }

    /// <summary>Makes a decoder.</summary>
    /// <returns>Null if the bridge can't decode it.</returns>
    public static Func<Stream, Stream>? DecoderFor(string encoding) => encoding switch
    {
        "zstd" => static encoded => new DecompressionStream(encoded),
        "gzip" or "x-gzip" => static encoded => new GZipStream(encoded, CompressionMode.Decompress),
        _ => null,
    };

    /// <summary>Decodes a body.</summary>
    /// <returns>What is wrong, with its status; null if the body is decoded.</returns>
    public static async Task<(int Status, string Message)?> DecodeAsync(ReplayableBody body, string encoding, long limit, CancellationToken cancellationToken)
    {
        if (DecoderFor(encoding) is not { } decoder)
            return (StatusCodes.Status415UnsupportedMediaType, Unsupported(encoding));
        try
        {
            return await body.DecodeAsync(decoder, limit, cancellationToken)
                ? null
                : (StatusCodes.Status413PayloadTooLarge, $"the request's body is larger than {limit} bytes once decoded (Bridge:Limits:MaxBody)");
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException or EndOfStreamException)
        {
            // As Ollama words it (middleware/openai.go).
            return (StatusCodes.Status400BadRequest, $"failed to decompress {encoding} body");
        }
    }

    /// <summary>The message for an encoding that can't be used here.</summary>
    public static string Unsupported(string encoding) =>
        $"the request's Content-Encoding '{encoding}' isn't supported on this route: send the body without one";
}
