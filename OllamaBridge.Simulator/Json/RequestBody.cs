using System.Text;
using System.Text.Json;

namespace OllamaBridge.Simulator.Json;

/// <summary>A request's JSON, parsed as leniently as by Go, and with Go's error texts.</summary>
internal sealed class RequestBody : IDisposable
{
    // Go's own limit (encoding/json, maxNestingDepth).
    private const int MaxDepth = 10_000;
    private static readonly byte[] Nothing = "{}"u8.ToArray();
    private readonly JsonDocument _document;

    private RequestBody(JsonDocument document) => _document = document;

    public JsonElement Root => _document.RootElement;

    /// <summary>Parses the first value and ignores the rest.</summary>
    /// <exception cref="ApiError">400: no body, a body cut short, no JSON, or no object.</exception>
    public static RequestBody Parse(ReadOnlyMemory<byte> bytes, string whenEmpty = "missing request body")
    {
        if (bytes.Span.IndexOfAnyExcept(" \t\r\n"u8) < 0)
            throw new ApiError(400, whenEmpty);
        bytes = GoUtf8.Repair(bytes);
        JsonDocument? document;
        try
        {
            var reader = new Utf8JsonReader(bytes.Span, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
            if (!JsonDocument.TryParseValue(ref reader, out document))
                throw new ApiError(400, "unexpected EOF");
        }
        catch (JsonException e)
        {
            throw new ApiError(400, Explain(bytes.Span, e));
        }
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return new RequestBody(document);
        var kind = GoKind(document.RootElement);
        document.Dispose();
        if (kind == "null")
            return new RequestBody(JsonDocument.Parse(Nothing));
        throw new ApiError(400, $"json: cannot unmarshal {kind} into Go value of type api.{GoTypes.Placeholder}");
    }

    public void Dispose() => _document.Dispose();

    /// <summary>Go's name for the kind of a value in errors.</summary>
    public static string GoKind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.Number => "number",
        JsonValueKind.True or JsonValueKind.False => "bool",
        JsonValueKind.Array => "array",
        JsonValueKind.Object => "object",
        _ => "null",
    };

    private static string Explain(ReadOnlySpan<byte> bytes, JsonException e)
    {
        var line = e.LineNumber ?? 0;
        var at = 0;
        for (; line > 0; line--)
            at += bytes[at..].IndexOf((byte)'\n') + 1;
        at = Math.Clamp(at + (int)(e.BytePositionInLine ?? 0), 0, bytes.Length - 1);
        // Go quotes the byte, not the character that begins with it.
        var text = ((char)bytes[at]).ToString();
        foreach (var literal in (ReadOnlySpan<string>)["null", "true", "false"])
        {
            for (var length = literal.Length - 1; length > 0; length--)
            {
                if (bytes[..at].EndsWith(Encoding.ASCII.GetBytes(literal[..length])))
                    return $"invalid character '{text[0]}' in literal {literal} (expecting '{literal[length]}')";
            }
        }
        var before = bytes[..at].TrimEnd(" \t\r\n"u8);
        var where = before.Length == 0 ? "looking for beginning of value" : before[^1] switch
        {
            (byte)'{' => "looking for beginning of object key string",
            (byte)',' => "looking for beginning of value",
            (byte)':' or (byte)'[' => "looking for beginning of value",
            _ => "after object key:value pair",
        };
        return $"invalid character '{text[0]}' {where}";
    }
}
