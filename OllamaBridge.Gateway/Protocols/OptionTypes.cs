using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Finds values that an Ollama server can only reject, with 500 (<c>api/types.go</c>, <c>Options.FromMap</c>; <c>llm/server.go</c>). Pure.</summary>
internal static class OptionTypes
{
    private static readonly byte[][] Numbers = Names(
        "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
        "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty");

    public enum Kind
    {
        Any,

        Number,

        Boolean,

        Strings,
    }

    public static Kind Of(ref Utf8JsonReader name)
    {
        foreach (var number in Numbers)
            if (GoText.IsExactly(ref name, number))
                return Kind.Number;
        return GoText.IsExactly(ref name, "use_mmap"u8) ? Kind.Boolean : GoText.IsExactly(ref name, "stop"u8) ? Kind.Strings : Kind.Any;
    }

    public static bool Allows(Kind kind, Utf8JsonReader value) => value.TokenType == JsonTokenType.Null || kind switch
    {
        Kind.Number => value.TokenType == JsonTokenType.Number,
        Kind.Boolean => value.TokenType is JsonTokenType.True or JsonTokenType.False,
        Kind.Strings => AreStrings(value),
        _ => true,
    };

    public static bool AllowsFormat(ref Utf8JsonReader value) => value.TokenType switch
    {
        JsonTokenType.Null or JsonTokenType.StartObject => true,
        JsonTokenType.String => value.ValueTextEquals("json"u8) || value.ValueTextEquals(""u8),
        _ => false,
    };

    private static byte[][] Names(params string[] names) => Array.ConvertAll(names, Encoding.ASCII.GetBytes);

    private static bool AreStrings(Utf8JsonReader value)
    {
        if (value.TokenType != JsonTokenType.StartArray)
            return false;
        while (value.Read() && value.TokenType != JsonTokenType.EndArray)
            if (value.TokenType != JsonTokenType.String)
                return false;
        return true;
    }
}
