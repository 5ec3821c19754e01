using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols.Inspection;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads a JSON body as leniently as Go's <c>encoding/json</c> (names in any case, the last of equal names, text after the first value is ignored), so
/// that the bridge and the server read the same model.</summary>
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
