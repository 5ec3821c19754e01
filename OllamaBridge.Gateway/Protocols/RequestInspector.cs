using System.Buffers;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads out of a JSON body what the bridge needs, in one pass, changing nothing.</summary>
/// <remarks>
/// As lenient as Go's <c>encoding/json</c>, which real servers use: names match in any case, the last of equal names counts,
/// whatever follows the first value is ignored. So both read the same model from the same bytes.
/// </remarks>
internal static class RequestInspector
{
    // Go's own limit (encoding/json, maxNestingDepth).
    private const int MaxDepth = 10_000;
    // Enough of a prompt to tell conversations apart, little enough to be stable while it grows.
    private const int PromptBytes = 256;

    /// <summary>Inspects a body.</summary>
    public static RequestFacts Inspect(in ReadOnlySequence<byte> body, Operation operation)
    {
        var reader = new Utf8JsonReader(body, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        var last = JsonTokenType.None;
        try
        {
            if (!reader.Read())
                return IsBlank(body) ? Faulty(operation.Protocol == Protocol.Ollama ? "missing request body" : "EOF") : Truncated;
            if (reader.TokenType == JsonTokenType.Null)
                return default;
            if (reader.TokenType != JsonTokenType.StartObject)
                return Faulty(WrongType(ref reader, $"value of type api.{operation.GoType}"));
            return ReadObject(ref reader, body, operation, ref last);
        }
        catch (JsonException e)
        {
            return Faulty(Word(e, body, last));
        }
        catch (InvalidOperationException)
        {
            return Faulty("invalid character in string literal");
        }
    }

    private static RequestFacts ReadObject(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body, Operation operation, ref JsonTokenType last)
    {
        string? model = null, name = null, source = null;
        bool? stream = null;
        ulong affinity = 0;
        List<string>? digests = null;
        var conversational = operation.Kind == OperationKind.Inference && operation.End != StreamEnd.None;
        while (true)
        {
            last = reader.TokenType;
            if (!reader.Read())
                return Truncated;
            if (reader.TokenType == JsonTokenType.EndObject)
                break;

            var property = Identify(ref reader);
            last = reader.TokenType;
            if (!reader.Read())
                return Truncated;
            switch (property)
            {
                case Property.Model or Property.Name or Property.Source:
                    if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
                        return Faulty(WrongType(ref reader, $"struct field {operation.GoType}.{property.ToString().ToLowerInvariant()} of type string"));
                    var text = reader.GetString();
                    if (property == Property.Model)
                        model = text;
                    else if (property == Property.Name)
                        name = text;
                    else
                        source = text;
                    break;
                case Property.Stream:
                    stream = reader.TokenType switch { JsonTokenType.True => true, JsonTokenType.False => false, _ => stream };
                    break;
                case Property.Files:
                    if (!ReadDigests(ref reader, digests ??= []))
                        return Truncated;
                    break;
                case Property.Beginning when conversational:
                    if (!HashBeginning(ref reader, body, ref affinity))
                        return Truncated;
                    break;
            }

            if (!reader.TrySkip())
                return Truncated;
        }

        return new RequestFacts
        {
            Model = operation.Model == ModelSource.BodySource ? source
                : operation.Kind is OperationKind.Inference ? model
                : string.IsNullOrEmpty(model) ? name : model,
            Stream = stream,
            Affinity = affinity,
            Digests = digests,
        };
    }

    private enum Property
    {
        Other,
        Model,
        Name,
        Source,
        Stream,
        Files,
        Beginning,
    }

    private static Property Identify(ref Utf8JsonReader reader) =>
        Is(ref reader, "model"u8) ? Property.Model
        : Is(ref reader, "stream"u8) ? Property.Stream
        : Is(ref reader, "messages"u8) || Is(ref reader, "prompt"u8) || Is(ref reader, "system"u8)
            || Is(ref reader, "input"u8) || Is(ref reader, "instructions"u8) ? Property.Beginning
        : Is(ref reader, "name"u8) ? Property.Name
        : Is(ref reader, "source"u8) ? Property.Source
        : Is(ref reader, "files"u8) || Is(ref reader, "adapters"u8) ? Property.Files
        : Property.Other;

    private static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> name) =>
        reader.ValueTextEquals(name)
        || (!reader.HasValueSequence && !reader.ValueIsEscaped && Ascii.EqualsIgnoreCase(reader.ValueSpan, name));

    /// <summary>Mixes in the beginning of a conversation: all up to the first message of the user, or the first bytes of a prompt.</summary>
    /// <remarks>The order in which a client writes its properties does not matter; it may differ from turn to turn.</remarks>
    private static bool HashBeginning(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body, ref ulong affinity)
    {
        var hash = new XxHash3();
        if (reader.TokenType == JsonTokenType.String)
        {
            var start = reader.TokenStartIndex;
            var length = Math.Min(reader.BytesConsumed - start, PromptBytes);
            Append(hash, body.Slice(start, length));
        }
        else if (reader.TokenType == JsonTokenType.StartArray)
        {
            var depth = reader.CurrentDepth;
            var found = false;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == depth)
                    break;
                var start = reader.TokenStartIndex;
                var isUser = false;
                if (!(reader.TokenType == JsonTokenType.StartObject ? ReadMessage(ref reader, out isUser) : reader.TrySkip()))
                    return false;
                if (found)
                    continue;
                Append(hash, body.Slice(start, reader.BytesConsumed - start));
                found = isUser;
            }
        }

        affinity ^= hash.GetCurrentHashAsUInt64();
        return true;
    }

    private static bool ReadMessage(ref Utf8JsonReader reader, out bool isUser)
    {
        isUser = false;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            var isRole = Is(ref reader, "role"u8);
            if (!reader.Read())
                return false;
            if (isRole && reader.TokenType == JsonTokenType.String)
                isUser = reader.ValueTextEquals("user"u8);
            if (!reader.TrySkip())
                return false;
        }
    }

    private static bool ReadDigests(ref Utf8JsonReader reader, List<string> digests)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            return true;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.String && reader.GetString() is { } digest)
                digests.Add(digest);
            if (!reader.TrySkip())
                return false;
        }
    }

    private static void Append(XxHash3 hash, in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
            hash.Append(segment.Span);
    }

    private static RequestFacts Truncated => Faulty("unexpected EOF");

    private static RequestFacts Faulty(string fault) => new() { Fault = fault };

    private static bool IsBlank(in ReadOnlySequence<byte> body)
    {
        foreach (var segment in body)
            if (segment.Span.ContainsAnyExcept(" \t\r\n"u8))
                return false;
        return true;
    }

    private static string WrongType(ref Utf8JsonReader reader, string target) => "json: cannot unmarshal " + reader.TokenType switch
    {
        JsonTokenType.Number => "number",
        JsonTokenType.String => "string",
        JsonTokenType.StartArray => "array",
        JsonTokenType.True or JsonTokenType.False => "bool",
        _ => "object",
    } + " into Go " + target;

    /// <summary>Words a syntax error as Go does.</summary>
    private static string Word(JsonException e, in ReadOnlySequence<byte> body, JsonTokenType last)
    {
        var offset = OffsetOf(body, e.LineNumber ?? 0, e.BytePositionInLine ?? 0);
        if (offset >= body.Length)
            return "unexpected EOF";
        var character = (char)body.Slice(offset, 1).FirstSpan[0];
        var place = last switch
        {
            JsonTokenType.None or JsonTokenType.PropertyName or JsonTokenType.StartArray => "looking for beginning of value",
            JsonTokenType.StartObject => "looking for beginning of object key string",
            _ => "after object key:value pair",
        };
        // Where a value may begin, an opening bracket is wrong for its depth alone.
        return character is '[' or '{' && last is JsonTokenType.PropertyName or JsonTokenType.StartArray
            ? "exceeded max depth"
            : $"invalid character '{character}' {place}";
    }

    private static long OffsetOf(in ReadOnlySequence<byte> body, long line, long position)
    {
        var sequence = new SequenceReader<byte>(body);
        for (var i = 0L; i < line && sequence.TryAdvanceTo((byte)'\n'); i++)
        {
            // Each turn passes one line.
        }

        return sequence.Consumed + position;
    }
}
