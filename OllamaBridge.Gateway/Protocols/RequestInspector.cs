using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols.Inspection;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the facts that the bridge needs from a JSON body, in one pass.</summary>
/// <remarks>
/// As lenient as Go's <c>encoding/json</c>, which real servers use: names match in any case, the last of equal names counts, and text after
/// the first value is ignored. The bridge and the server therefore read the same model from the same bytes.
/// </remarks>
internal static class RequestInspector
{
    // Go's own limit (encoding/json, maxNestingDepth).
    private const int MaxDepth = 10_000;

    private static RequestFacts Truncated => Faulty("unexpected EOF");

    public static RequestFacts Inspect(in ReadOnlySequence<byte> body, Operation operation)
    {
        var reader = new Utf8JsonReader(body, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        try
        {
            if (!reader.Read())
                return IsBlank(body) ? Faulty(operation.Protocol == Protocol.Ollama ? "missing request body" : "EOF") : Truncated;
            if (reader.TokenType == JsonTokenType.Null)
                return default;
            if (reader.TokenType != JsonTokenType.StartObject)
                return Faulty(RequestPropertiesReader.WrongType(ref reader, $"value of type api.{operation.GoType}"));
            var properties = new RequestPropertiesReader(operation);
            return properties.TryRead(ref reader, body) ? properties.ToFacts() : Truncated;
        }
        catch (JsonException)
        {
            return Faulty(GoSyntax.Error(body) ?? "invalid JSON");
        }
    }

    private static RequestFacts Faulty(string fault) => new() { Fault = fault };

    private static bool IsBlank(in ReadOnlySequence<byte> body)
    {
        foreach (var segment in body)
            if (segment.Span.ContainsAnyExcept(" \t\r\n"u8))
                return false;
        return true;
    }
}
