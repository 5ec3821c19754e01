using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

// The amounts that a request asks for, read in the same pass.
internal static partial class RequestInspector
{
    // A part of a message, a tool result in it, and the parts of that; clients nest no deeper.
    private const int MaxPartDepth = 4;
    private const string NumPredict = "options.num_predict";

    /// <summary>Reads demands. Every method returns false if the body ends too early, and leaves the reader at the end of the value.</summary>
    private struct Demands
    {
        private long? _numPredict;
        private long? _numContext;
        private long? _maxTokens;
        private long? _maxCompletionTokens;
        private long? _maxOutputTokens;
        private TimeSpan? _keepAlive;
        private int _images;
        private long _imageBytes;

        /// <summary>Whether an Ollama server can only refuse the request.</summary>
        public bool HasInvalidValue;

        /// <summary>Whether media are named by an address that a server would have to fetch.</summary>
        public bool HasRemoteMedia;

        public readonly RequestDemands ToFacts()
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
                Images = _images,
                ImageBytes = _imageBytes,
            };
        }

        /// <summary>Reads the value of a top-level property, if the protocol has it.</summary>
        public bool Read(ref Utf8JsonReader reader, Property property, Protocol protocol)
        {
            switch (property)
            {
                case Property.Options when protocol == Protocol.Ollama:
                    return ReadOptions(ref reader);
                case Property.Images when protocol == Protocol.Ollama:
                    return reader.TokenType != JsonTokenType.StartArray || ReadImages(ref reader);
                case Property.KeepAlive when protocol == Protocol.Ollama:
                    _keepAlive = ReadKeepAlive(ref reader);
                    break;
                case Property.MaxTokens when protocol != Protocol.Ollama:
                    _maxTokens = ReadNumber(ref reader);
                    break;
                case Property.MaxCompletionTokens when protocol == Protocol.OpenAI:
                    _maxCompletionTokens = ReadNumber(ref reader);
                    break;
                case Property.MaxOutputTokens when protocol == Protocol.OpenAI:
                    _maxOutputTokens = ReadNumber(ref reader);
                    break;
            }

            return true;
        }

        /// <summary>Reads images of native requests: an array of strings.</summary>
        public bool ReadImages(ref Utf8JsonReader reader)
        {
            var start = reader.TokenStartIndex;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndArray)
                    break;
                _images++;
                if (!reader.TrySkip())
                    return false;
            }

            _imageBytes += reader.BytesConsumed - start;
            return true;
        }

        /// <summary>Reads the parts of a message in the other protocols; those with an image's type are images.</summary>
        public bool ReadParts(ref Utf8JsonReader reader, int depth)
        {
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndArray)
                    return true;
                if (!(reader.TokenType == JsonTokenType.StartObject ? ReadPart(ref reader, depth) : reader.TrySkip()))
                    return false;
            }
        }

        private bool ReadPart(ref Utf8JsonReader reader, int depth)
        {
            var start = reader.TokenStartIndex;
            var isImage = false;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndObject)
                    break;
                var isType = Is(ref reader, "type"u8);
                var isContent = !isType && Is(ref reader, "content"u8);
                var isMedia = !isType && !isContent && RemoteMedia.IsName(ref reader);
                if (!reader.Read())
                    return false;
                if (isMedia && !ReadMedia(ref reader))
                    return false;
                if (isType && reader.TokenType == JsonTokenType.String)
                    isImage = GoText.IsExactly(ref reader, "image_url"u8) || GoText.IsExactly(ref reader, "image"u8)
                        || GoText.IsExactly(ref reader, "input_image"u8);
                else if (isContent && reader.TokenType == JsonTokenType.StartArray && depth < MaxPartDepth && !ReadParts(ref reader, depth + 1))
                    return false;
                if (!reader.TrySkip())
                    return false;
            }

            if (isImage)
            {
                _images++;
                _imageBytes += reader.BytesConsumed - start;
            }

            return true;
        }

        /// <summary>The messages of a request that is no conversation, for the media in them.</summary>
        public bool ReadMessages(ref Utf8JsonReader reader)
        {
            var depth = reader.CurrentDepth;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == depth)
                    return true;
                if (!(reader.TokenType == JsonTokenType.StartObject ? ReadMessage(ref reader, ref this, out _) : reader.TrySkip()))
                    return false;
            }
        }

        /// <summary>The address of an image or another medium: a text, or an object's <c>url</c>.</summary>
        public bool ReadMedia(ref Utf8JsonReader reader)
        {
            if (reader.TokenType == JsonTokenType.String)
                HasRemoteMedia |= RemoteMedia.IsRemote(ref reader);
            if (reader.TokenType != JsonTokenType.StartObject)
                return true;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndObject)
                    return true;
                var isUrl = Is(ref reader, "url"u8);
                if (!reader.Read())
                    return false;
                if (isUrl && reader.TokenType == JsonTokenType.String)
                    HasRemoteMedia |= RemoteMedia.IsRemote(ref reader);
                if (!reader.TrySkip())
                    return false;
            }
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

        /// <summary>Reads seconds, or a duration in Go's format; negative means forever. A server rejects other values.</summary>
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
}
