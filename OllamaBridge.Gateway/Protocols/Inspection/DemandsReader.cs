using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

/// <summary>Every method returns false if the body ends too early, and leaves the reader at the end of the value.</summary>
internal struct DemandsReader
{
    private const string NumPredict = "options.num_predict";
    private long? _numPredict;
    private long? _numContext;
    private long? _maxTokens;
    private long? _maxCompletionTokens;
    private long? _maxOutputTokens;
    private TimeSpan? _keepAlive;

    public bool HasInvalidValue { get; private set; }

    public readonly RequestDemands ToFacts(in MessageReader messages)
    {
        var (output, field) = (_numPredict, NumPredict);
        if (_maxTokens > (output ?? long.MinValue))
            (output, field) = (_maxTokens, "max_tokens");
        if (_maxCompletionTokens > (output ?? long.MinValue))
            (output, field) = (_maxCompletionTokens, "max_completion_tokens");
        if (_maxOutputTokens > (output ?? long.MinValue))
            (output, field) = (_maxOutputTokens, "max_output_tokens");
        return new RequestDemands
        {
            Output = output,
            OutputField = output is null ? null : field,
            Context = _numContext,
            KeepAlive = _keepAlive,
            Images = messages.Images,
            ImageBytes = messages.ImageBytes,
        };
    }

    public bool Read(ref Utf8JsonReader reader, RequestProperty property, Protocol protocol)
    {
        switch (property)
        {
            case RequestProperty.Format when protocol == Protocol.Ollama:
                HasInvalidValue |= !OptionTypes.AllowsFormat(ref reader);
                break;
            case RequestProperty.Options when protocol == Protocol.Ollama:
                return ReadOptions(ref reader);
            case RequestProperty.KeepAlive when protocol == Protocol.Ollama:
                _keepAlive = ReadKeepAlive(ref reader);
                break;
            case RequestProperty.MaxTokens when protocol != Protocol.Ollama:
                _maxTokens = ReadNumber(ref reader);
                break;
            case RequestProperty.MaxCompletionTokens when protocol == Protocol.OpenAI:
                _maxCompletionTokens = ReadNumber(ref reader);
                break;
            case RequestProperty.MaxOutputTokens when protocol == Protocol.OpenAI:
                _maxOutputTokens = ReadNumber(ref reader);
                break;
        }

        return true;
    }

    /// <summary>Options are a map in Go: their names are case-sensitive, and null empties the map.</summary>
    private bool ReadOptions(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            if (reader.TokenType == JsonTokenType.Null)
                _numPredict = _numContext = null;
            return true;
        }

        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            var kind = OptionTypes.Of(ref reader);
            var isPredict = GoText.IsExactly(ref reader, "num_predict"u8);
            var isContext = !isPredict && GoText.IsExactly(ref reader, "num_ctx"u8);
            if (!reader.Read())
                return false;
            HasInvalidValue |= !OptionTypes.Allows(kind, reader);
            if (isPredict)
                _numPredict = ReadNumber(ref reader);
            else if (isContext)
                _numContext = ReadNumber(ref reader);
            if (!reader.TrySkip())
                return false;
        }
    }

    private static long? ReadNumber(ref Utf8JsonReader reader) =>
        reader.TokenType != JsonTokenType.Number ? null
        : reader.TryGetInt64(out var whole) ? whole
        : reader.TryGetDouble(out var number) ? (long)number
        : null;

    private static TimeSpan? ReadKeepAlive(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Number)
            return reader.TryGetDouble(out var seconds) ? GoDuration.FromSeconds(seconds) : null;
        if (reader.TokenType != JsonTokenType.String)
            return null;
        if ((reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length) > GoDuration.MaxText)
            return TimeSpan.MaxValue;
        try
        {
            return GoDuration.Parse(GoText.GetString(ref reader)!);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
