using System.Buffers;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

internal struct RequestPropertiesReader(Operation operation)
{
    private readonly bool _isInference = operation.Kind == OperationKind.Inference;
    private ModelNamesReader _names;
    private DemandsReader _demands;
    private MessageReader _messages;
    private ConversationHasher _conversation;
    private List<string>? _digests;
    private string? _modelfile;
    private string? _fault;
    private bool? _stream;
    private bool _hasTools;
    private bool _hasInput;
    private bool _isInsecure;
    private bool _isNotPlain;
    private int _seen;

    /// <returns>False if the body ends too early. The reader stands at the start of the object.</returns>
    public bool TryRead(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body)
    {
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;

            var property = RequestProperties.Identify(ref reader);
            var isExactModel = property == RequestProperty.Model && reader.ValueTextEquals("model"u8);
            if (property is not (RequestProperty.Other or RequestProperty.Modelfile or RequestProperty.Insecure or RequestProperty.Format))
                _isNotPlain |= !RequestProperties.IsPlain(ref reader, property, ref _seen);
            // A system text is not an input.
            var isInput = property == RequestProperty.Beginning && !GoText.Is(ref reader, "system"u8) && !GoText.Is(ref reader, "instructions"u8);
            if (!reader.Read())
                return false;
            if (isInput)
                _hasInput = HasContent(ref reader);
            if (ModelNamesReader.IsName(property))
            {
                // Go reports syntax errors first, in any position, and then the first value of a wrong type.
                if (!_names.Read(ref reader, property, isExactModel, operation))
                    _fault ??= WrongType(ref reader, $"struct field {operation.GoType}.{property.ToString().ToLowerInvariant()} of type string");
            }
            else if (!TryReadValue(ref reader, property, body))
            {
                return false;
            }

            if (!reader.TrySkip())
                return false;
        }
    }

    public readonly RequestFacts ToFacts() => _names.AddTo(
        new RequestFacts
        {
            IsPlain = !_isNotPlain,
            Stream = _stream,
            Affinity = _conversation.Affinity,
            IsLaterTurn = _conversation.IsLaterTurn,
            HasTools = _hasTools,
            HasInput = _hasInput,
            Digests = _digests,
            Demands = _demands.ToFacts(_messages),
            HasInvalidValue = _demands.HasInvalidValue,
            HasRemoteMedia = _messages.HasRemoteMedia,
            Modelfile = _modelfile,
            IsInsecure = _isInsecure,
            Fault = _fault,
        },
        operation);

    /// <summary>Go's error message for a value of the wrong type.</summary>
    public static string WrongType(ref Utf8JsonReader reader, string target) => "json: cannot unmarshal " + reader.TokenType switch
    {
        JsonTokenType.Number => "number",
        JsonTokenType.String => "string",
        JsonTokenType.StartArray => "array",
        JsonTokenType.True or JsonTokenType.False => "bool",
        _ => "object",
    } + " into Go " + target;

    private bool TryReadValue(ref Utf8JsonReader reader, RequestProperty property, in ReadOnlySequence<byte> body)
    {
        switch (property)
        {
            case RequestProperty.Modelfile when operation.Type == OperationType.Create && reader.TokenType == JsonTokenType.String:
                _modelfile = GoText.GetString(ref reader);
                return true;
            case RequestProperty.Insecure:
                _isInsecure |= operation.Kind == OperationKind.Management && reader.TokenType == JsonTokenType.True;
                return true;
            case RequestProperty.Stream:
                ReadStream(ref reader);
                return true;
            case RequestProperty.Tools:
                _hasTools = reader.TokenType == JsonTokenType.StartArray;
                return true;
            case RequestProperty.Files:
                return ReadDigests(ref reader, _digests ??= []);
            case RequestProperty.Beginning when _isInference && operation.End != StreamEnd.None:
                return _conversation.Read(ref reader, body, ref _messages);
            case RequestProperty.Beginning:
                // Embeddings of messages, which some OpenAI servers have, and messages whose tokens are counted.
                return operation.Protocol == Protocol.Ollama || reader.TokenType != JsonTokenType.StartArray || _messages.ReadMessages(ref reader);
            case RequestProperty.Images when _isInference && operation.Protocol == Protocol.Ollama:
                return reader.TokenType != JsonTokenType.StartArray || _messages.ReadImages(ref reader);
            default:
                return !_isInference || _demands.Read(ref reader, property, operation.Protocol);
        }
    }

    private void ReadStream(ref Utf8JsonReader reader) => _stream = reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        // Native requests have a pointer, which null clears; the others have a plain value, which null does not change.
        JsonTokenType.Null when operation.Protocol == Protocol.Ollama => null,
        _ => _stream,
    };

    private static bool HasContent(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return reader.HasValueSequence ? !reader.ValueSequence.IsEmpty : !reader.ValueSpan.IsEmpty;
        if (reader.TokenType != JsonTokenType.StartArray)
            return reader.TokenType != JsonTokenType.Null;
        var copy = reader;
        return !copy.Read() || copy.TokenType != JsonTokenType.EndArray;
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
}
