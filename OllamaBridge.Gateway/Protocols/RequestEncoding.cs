using System.IO.Compression;
using ZstdSharp;

namespace OllamaBridge.Gateway.Protocols;

internal static class RequestEncoding
{
    /// <summary>The encodings, as <c>Accept-Encoding</c> of a 415 lists them (RFC 9110, 15.5.16).</summary>
    public const string Supported = "zstd, gzip";

    public static string? Of(IHeaderDictionary headers)
    {
        var value = headers.ContentEncoding.ToString();
        return value.Length == 0 || value.Equals("identity", StringComparison.OrdinalIgnoreCase) ? null : value.Trim().ToLowerInvariant();
    }

    public static Func<Stream, Stream>? DecoderFor(string encoding) => encoding switch
    {
        "zstd" => static encoded => new DecompressionStream(encoded),
        "gzip" or "x-gzip" => static encoded => new GZipStream(encoded, CompressionMode.Decompress),
        _ => null,
    };

    public static bool IsMalformed(Exception exception) => exception is InvalidDataException or ZstdException or EndOfStreamException;

    /// <summary>Ollama's message for bytes that aren't in their encoding (middleware/openai.go).</summary>
    public static string Malformed(string encoding) => $"failed to decompress {encoding} body";

    public static string Unsupported(string encoding) =>
        $"the request's Content-Encoding '{encoding}' isn't supported on this route: send the body without one";
}
