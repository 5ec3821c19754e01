using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>
/// Finds values in native requests that an Ollama server can only refuse: an option of the wrong type, a <c>format</c> that is neither <c>"json"</c> nor a
/// schema. Ollama answers them with 500, although the client is at fault. Pure.
/// </summary>
/// <remarks>Rules as in Ollama's <c>api/types.go</c> (<c>Options.FromMap</c>) and <c>llm/server.go</c>; unknown options are ignored there.</remarks>
internal static class OptionTypes
{
    private static readonly byte[][] Numbers = Names(
        "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
        "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty");

    /// <summary>What an option's value must be.</summary>
    public enum Kind
    {
        /// <summary>Ollama doesn't know the option.</summary>
        Any,

        /// <summary>A number.</summary>
        Number,

        /// <summary>A boolean.</summary>
        Boolean,

        /// <summary>An array of strings.</summary>
        Strings,
    }

    /// <summary>The kind of the option whose name a reader stands on. Names count to the letter.</summary>
    public static Kind Of(ref Utf8JsonReader name)
    {
        foreach (var number in Numbers)
            if (GoText.IsExactly(ref name, number))
                return Kind.Number;
        return GoText.IsExactly(ref name, "use_mmap"u8) ? Kind.Boolean : GoText.IsExactly(ref name, "stop"u8) ? Kind.Strings : Kind.Any;
    }

    /// <summary>Whether a value may be of a kind; null always may. The reader stays where it is.</summary>
    public static bool Allows(Kind kind, Utf8JsonReader value) => value.TokenType == JsonTokenType.Null || kind switch
    {
        Kind.Number => value.TokenType == JsonTokenType.Number,
        Kind.Boolean => value.TokenType is JsonTokenType.True or JsonTokenType.False,
        Kind.Strings => AreStrings(value),
        _ => true,
    };

    /// <summary>Whether a value may be a <c>format</c>.</summary>
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
