using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>What servers of different kinds mean by a JSON value.</summary>
internal static class JsonValues
{
    /// <summary>Whether the value on which a reader stands says something: it is not null, false, an empty string, object or array.</summary>
    /// <remarks>Many servers write <c>"error": null</c> or <c>"error": ""</c> into every message. The reader is a copy, so the caller's stays in place.</remarks>
    public static bool IsSet(Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null or JsonTokenType.False => false,
        JsonTokenType.String => !(reader.HasValueSequence ? reader.ValueSequence.IsEmpty : reader.ValueSpan.IsEmpty),
        JsonTokenType.StartObject => reader.Read() && reader.TokenType != JsonTokenType.EndObject,
        JsonTokenType.StartArray => reader.Read() && reader.TokenType != JsonTokenType.EndArray,
        _ => true,
    };

    /// <summary>A reason on which a reader stands, such as <c>finish_reason</c>; null where there is none yet: no string, or one that is empty or <c>null</c>.</summary>
    public static string? Reason(ref Utf8JsonReader reader) =>
        reader.TokenType != JsonTokenType.String || reader.ValueTextEquals(""u8) || reader.ValueTextEquals("null"u8) ? null : reader.GetString();

    /// <summary>The text of a value; null if it is none, or none that can be a string.</summary>
    public static string? Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, or no UTF-8.
            return null;
        }
    }
}
