using System.Buffers;
using System.IO.Hashing;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the facts that the bridge needs from a JSON body, in one pass.</summary>
/// <remarks>
/// As lenient as Go's <c>encoding/json</c>, which real servers use: names match in any case, the last of equal names counts, and text after
/// the first value is ignored. The bridge and the server therefore read the same model from the same bytes.
/// </remarks>
internal static partial class RequestInspector
{
    // Go's own limit (encoding/json, maxNestingDepth).
    private const int MaxDepth = 10_000;
    // Enough of a prompt to distinguish conversations, but little enough to stay the same while the prompt grows.
    private const int PromptBytes = 256;

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
                return Faulty(WrongType(ref reader, $"value of type api.{operation.GoType}"));
            return ReadObject(ref reader, body, operation);
        }
        catch (JsonException)
        {
            return Faulty(GoSyntax.Error(body) ?? "invalid JSON");
        }
    }

    private static RequestFacts ReadObject(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body, Operation operation)
    {
        string? model = null, exactModel = null, name = null, source = null, from = null, destination = null, remoteHost = null;
        var (modelAt, nameAt) = ((Start: 0L, End: 0L), (Start: 0L, End: 0L));
        var (isPlain, seen) = (true, 0);
        bool? stream = null;
        var hasTools = false;
        var hasInput = false;
        ulong affinity = 0;
        var isLaterTurn = false;
        List<string>? digests = null;
        string? modelfile = null;
        var isInsecure = false;
        var demands = default(Demands);
        string? fault = null;
        var isInference = operation.Kind == OperationKind.Inference;
        var conversational = isInference && operation.End != StreamEnd.None;
        while (true)
        {
            if (!reader.Read())
                return Truncated;
            if (reader.TokenType == JsonTokenType.EndObject)
                break;

            var property = Identify(ref reader);
            var isExact = property == Property.Model && reader.ValueTextEquals("model"u8);
            if (property is not (Property.Other or Property.Modelfile or Property.Insecure or Property.Format))
                isPlain &= IsPlain(ref reader, property, ref seen);
            // A system text is not an input.
            var isInput = property == Property.Beginning && !Is(ref reader, "system"u8) && !Is(ref reader, "instructions"u8);
            if (!reader.Read())
                return Truncated;
            if (isInput)
                hasInput = IsSomething(ref reader);
            switch (property)
            {
                case Property.Model or Property.Name or Property.Source when Has(operation, property):
                    if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
                    {
                        // Go reports syntax errors first, in any position, and then the first value of a wrong type.
                        fault ??= WrongType(ref reader, $"struct field {operation.GoType}.{property.ToString().ToLowerInvariant()} of type string");
                        break;
                    }

                    // As in Go, null does not change a string.
                    if (GoText.GetString(ref reader) is not { } text)
                        break;
                    if (isExact)
                        exactModel = text;
                    if (property == Property.Model)
                        (model, modelAt) = (text, (reader.TokenStartIndex, reader.BytesConsumed));
                    else if (property == Property.Name)
                        (name, nameAt) = (text, (reader.TokenStartIndex, reader.BytesConsumed));
                    else
                        source = text;
                    break;
                case Property.From when reader.TokenType == JsonTokenType.String:
                    from = GoText.GetString(ref reader);
                    break;
                case Property.Destination when reader.TokenType == JsonTokenType.String:
                    destination = GoText.GetString(ref reader);
                    break;
                case Property.RemoteHost when reader.TokenType == JsonTokenType.String:
                    remoteHost = GoText.GetString(ref reader);
                    break;
                case Property.Modelfile when operation.Name == "create" && reader.TokenType == JsonTokenType.String:
                    modelfile = GoText.GetString(ref reader);
                    break;
                case Property.Insecure:
                    isInsecure |= operation.Kind == OperationKind.Management && reader.TokenType == JsonTokenType.True;
                    break;
                case Property.Format:
                    demands.HasInvalidValue |= isInference && operation.Protocol == Protocol.Ollama && !OptionTypes.AllowsFormat(ref reader);
                    break;
                case Property.Stream:
                    stream = reader.TokenType switch
                    {
                        JsonTokenType.True => true,
                        JsonTokenType.False => false,
                        // Native requests have a pointer, which null clears; the others have a plain value, which null does not change.
                        JsonTokenType.Null when operation.Protocol == Protocol.Ollama => null,
                        _ => stream,
                    };
                    break;
                case Property.Tools:
                    hasTools = reader.TokenType == JsonTokenType.StartArray;
                    break;
                case Property.Files:
                    if (!ReadDigests(ref reader, digests ??= []))
                        return Truncated;
                    break;
                case Property.Beginning when conversational:
                    if (!HashBeginning(ref reader, body, ref affinity, ref isLaterTurn, ref demands))
                        return Truncated;
                    break;
                case Property.Beginning when operation.Protocol != Protocol.Ollama && reader.TokenType == JsonTokenType.StartArray:
                    // Embeddings of messages, which some OpenAI servers have, and messages whose tokens are counted.
                    if (!demands.ReadMessages(ref reader))
                        return Truncated;
                    break;
                case > Property.Beginning when isInference:
                    if (!demands.Read(ref reader, property, operation.Protocol))
                        return Truncated;
                    break;
            }

            if (!reader.TrySkip())
                return Truncated;
        }

        var byName = operation.Kind is not OperationKind.Inference && string.IsNullOrEmpty(model);
        var (start, end) = operation.Model == ModelSource.BodySource ? default : byName ? nameAt : modelAt;
        return new RequestFacts
        {
            Model = operation.Model == ModelSource.BodySource ? source : byName ? name : model,
            ModelStart = start,
            ModelEnd = end,
            ExactModel = exactModel == model ? null : exactModel,
            OtherModel = operation.Name switch { "create" => from, "copy" => destination, _ => null },
            RemoteHost = operation.Name == "create" ? remoteHost : null,
            IsPlain = isPlain,
            Stream = stream,
            Affinity = affinity,
            IsLaterTurn = isLaterTurn,
            HasTools = hasTools,
            HasInput = hasInput,
            Digests = digests,
            Demands = demands.ToFacts(),
            HasInvalidValue = demands.HasInvalidValue,
            HasRemoteMedia = demands.HasRemoteMedia,
            Modelfile = modelfile,
            IsInsecure = isInsecure,
            Fault = fault,
        };
    }

    private enum Property
    {
        Other,
        Model,
        Name,
        Source,
        From,
        Destination,
        RemoteHost,
        Stream,
        Tools,
        Files,
        Modelfile,
        Insecure,
        Format,
        Beginning,

        // The amounts that a request asks for.
        Options,
        Images,
        KeepAlive,
        MaxTokens,
        MaxCompletionTokens,
        MaxOutputTokens,
    }

    /// <summary>Whether the Go struct of an operation has a field; other fields are ignored.</summary>
    private static bool Has(Operation operation, Property property) => property switch
    {
        Property.Name => operation is { Kind: not OperationKind.Inference, Protocol: Protocol.Ollama, Model: ModelSource.Body },
        Property.Source => operation.Model == ModelSource.BodySource,
        _ => operation.Model != ModelSource.BodySource,
    };

    private static Property Identify(ref Utf8JsonReader reader) =>
        Is(ref reader, "model"u8) ? Property.Model
        : Is(ref reader, "stream"u8) ? Property.Stream
        : Is(ref reader, "messages"u8) || Is(ref reader, "prompt"u8) || Is(ref reader, "system"u8)
            || Is(ref reader, "input"u8) || Is(ref reader, "instructions"u8) ? Property.Beginning
        : Is(ref reader, "tools"u8) ? Property.Tools
        : Is(ref reader, "name"u8) ? Property.Name
        : Is(ref reader, "source"u8) ? Property.Source
        : Is(ref reader, "from"u8) ? Property.From
        : Is(ref reader, "destination"u8) ? Property.Destination
        : Is(ref reader, "remote_host"u8) ? Property.RemoteHost
        : Is(ref reader, "files"u8) || Is(ref reader, "adapters"u8) ? Property.Files
        : Is(ref reader, "modelfile"u8) ? Property.Modelfile
        : Is(ref reader, "insecure"u8) ? Property.Insecure
        : Is(ref reader, "format"u8) ? Property.Format
        : Is(ref reader, "options"u8) ? Property.Options
        : Is(ref reader, "images"u8) ? Property.Images
        : Is(ref reader, "keep_alive"u8) ? Property.KeepAlive
        : Is(ref reader, "max_tokens"u8) ? Property.MaxTokens
        : Is(ref reader, "max_completion_tokens"u8) ? Property.MaxCompletionTokens
        : Is(ref reader, "max_output_tokens"u8) ? Property.MaxOutputTokens
        : Property.Other;

    /// <summary>Whether a name is written in lower case and without escapes, and does not occur a second time if that would matter.</summary>
    private static bool IsPlain(ref Utf8JsonReader reader, Property property, ref int seen)
    {
        var bit = property is Property.Model or Property.Stream or >= Property.MaxTokens ? 1 << (int)property : 0;
        var isNew = (seen & bit) == 0;
        seen |= bit;
        if (!isNew || reader.ValueIsEscaped)
            return false;
        if (!reader.HasValueSequence)
            return !reader.ValueSpan.ContainsAnyInRange((byte)'A', (byte)'Z');
        foreach (var segment in reader.ValueSequence)
            if (segment.Span.ContainsAnyInRange((byte)'A', (byte)'Z'))
                return false;
        return true;
    }

    private static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> name) => GoText.Is(ref reader, name);

    /// <summary>Whether the value at the reader's position is not empty. The reader does not move.</summary>
    private static bool IsSomething(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return reader.HasValueSequence ? !reader.ValueSequence.IsEmpty : !reader.ValueSpan.IsEmpty;
        if (reader.TokenType != JsonTokenType.StartArray)
            return reader.TokenType != JsonTokenType.Null;
        var copy = reader;
        return !copy.Read() || copy.TokenType != JsonTokenType.EndArray;
    }

    /// <summary>Adds the beginning of a conversation to the hash: all messages up to the user's first, or the first bytes of a prompt.</summary>
    /// <remarks>The order of the properties does not matter, because a client may change it from turn to turn.</remarks>
    private static bool HashBeginning(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body, ref ulong affinity, ref bool isLaterTurn, ref Demands demands)
    {
        var hash = 0ul;
        var isEmpty = true;
        if (reader.TokenType == JsonTokenType.String)
        {
            var start = reader.TokenStartIndex;
            var length = Math.Min(reader.BytesConsumed - start, PromptBytes);
            hash = Hash(body.Slice(start, length), hash);
            isEmpty = length == "\"\"".Length;
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
                if (!(reader.TokenType == JsonTokenType.StartObject ? ReadMessage(ref reader, ref demands, out isUser) : reader.TrySkip()))
                    return false;
                if (found)
                {
                    isLaterTurn = true;
                    continue;
                }

                hash = Hash(body.Slice(start, reader.BytesConsumed - start), hash);
                found = isUser;
                isEmpty = false;
            }
        }

        if (!isEmpty)
            affinity ^= hash;
        return true;
    }

    private static bool ReadMessage(ref Utf8JsonReader reader, ref Demands demands, out bool isUser)
    {
        isUser = false;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            var isRole = Is(ref reader, "role"u8);
            var isContent = !isRole && (Is(ref reader, "content"u8) || Is(ref reader, "output"u8));
            var isImages = !isRole && !isContent && Is(ref reader, "images"u8);
            var isMedia = !isRole && !isContent && !isImages && RemoteMedia.IsName(ref reader);
            if (!reader.Read())
                return false;
            if (isMedia && !demands.ReadMedia(ref reader))
                return false;
            if (isRole && reader.TokenType == JsonTokenType.String)
                isUser = GoText.IsExactly(ref reader, "user"u8);
            else if (reader.TokenType == JsonTokenType.StartArray && (isContent || isImages)
                && !(isContent ? demands.ReadParts(ref reader, depth: 0) : demands.ReadImages(ref reader)))
                return false;
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
            if (reader.TokenType == JsonTokenType.String && GoText.GetString(ref reader) is { } digest)
                digests.Add(digest);
            if (!reader.TrySkip())
                return false;
        }
    }

    /// <summary>Hashes bytes, seeded with the hash of earlier bytes. Boundaries of segments make no difference.</summary>
    private static ulong Hash(in ReadOnlySequence<byte> bytes, ulong before)
    {
        if (bytes.IsSingleSegment)
            return XxHash3.HashToUInt64(bytes.FirstSpan, (long)before);
        var length = checked((int)bytes.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        bytes.CopyTo(buffer);
        var hash = XxHash3.HashToUInt64(buffer.AsSpan(0, length), (long)before);
        ArrayPool<byte>.Shared.Return(buffer);
        return hash;
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
}
