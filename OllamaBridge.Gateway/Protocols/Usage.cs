using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Native responses have these fields at the top. Others have <c>usage</c>, which Anthropic's first event and the Responses API nest in <c>message</c>
/// and <c>response</c>.</summary>
internal readonly record struct Usage(bool Done, bool Succeeded, long InputTokens, long OutputTokens, long DecodeNanoseconds = 0)
{
    /// <summary>0 if not reported.</summary>
    public long PrefillNanoseconds { get; init; }

    public bool IsReadable { get; init; }

    /// <summary>Whether it has an <c>error</c> at the top that is not null, false or empty, or <c>"object":"error"</c> of older vLLM versions.</summary>
    public bool HasError { get; init; }

    public static Usage Read(ReadOnlySpan<byte> json)
    {
        bool done = false, succeeded = false, isReadable = false, hasError = false;
        long input = 0, output = 0, decode = 0, prefill = 0;
        try
        {
            var reader = new Utf8JsonReader(ByteOrderMark.Skip(json));
            if (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
            {
                ReadObject(ref reader, top: true, ref done, ref succeeded, ref hasError, ref input, ref output, ref decode, ref prefill);
                isReadable = reader.TokenType == JsonTokenType.EndObject;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The relay handles malformed lines; they have no tokens to count.
        }

        return new Usage(done, succeeded, input, output, decode) { IsReadable = isReadable, HasError = hasError, PrefillNanoseconds = prefill };
    }

    private static void ReadObject(
        ref Utf8JsonReader reader, bool top, ref bool done, ref bool succeeded, ref bool hasError, ref long input, ref long output, ref long decode,
        ref long prefill)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isDone = top && reader.ValueTextEquals("done"u8);
            var isStatus = top && reader.ValueTextEquals("status"u8);
            var isInput = reader.ValueTextEquals("prompt_eval_count"u8) || reader.ValueTextEquals("prompt_tokens"u8)
                || reader.ValueTextEquals("input_tokens"u8);
            var isOutput = reader.ValueTextEquals("eval_count"u8) || reader.ValueTextEquals("completion_tokens"u8)
                || reader.ValueTextEquals("output_tokens"u8);
            var isError = top && reader.ValueTextEquals("error"u8);
            var isObject = top && reader.ValueTextEquals("object"u8);
            var isDecode = top && reader.ValueTextEquals("eval_duration"u8);
            var isPrefill = top && reader.ValueTextEquals("prompt_eval_duration"u8);
            var isNested = reader.ValueTextEquals("usage"u8)
                || (top && (reader.ValueTextEquals("message"u8) || reader.ValueTextEquals("response"u8)));
            reader.Read();
            if (isError)
                hasError |= JsonValues.IsSet(reader);
            else if (isObject && reader.TokenType == JsonTokenType.String)
                hasError |= reader.ValueTextEquals("error"u8);
            if (isDone)
                done = reader.TokenType == JsonTokenType.True;
            else if (isStatus && reader.TokenType == JsonTokenType.String)
                succeeded = reader.ValueTextEquals("success"u8);
            else if (isInput && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var read))
                input = read;
            else if (isOutput && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var written))
                output = written;
            else if (isDecode && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var took))
                decode = took;
            else if (isPrefill && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var evaluated))
                prefill = evaluated;
            else if (isNested && reader.TokenType == JsonTokenType.StartObject)
                ReadObject(ref reader, top: false, ref done, ref succeeded, ref hasError, ref input, ref output, ref decode, ref prefill);
            else
                reader.Skip();
        }
    }
}
