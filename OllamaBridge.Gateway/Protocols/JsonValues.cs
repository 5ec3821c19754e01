using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

internal static class JsonValues
{
    /// <summary>Whether the value is not null, false or empty: many servers write <c>"error": null</c> or <c>"error": ""</c> into every message.</summary>
    public static bool IsSet(Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null or JsonTokenType.False => false,
        JsonTokenType.String => !(reader.HasValueSequence ? reader.ValueSequence.IsEmpty : reader.ValueSpan.IsEmpty),
        JsonTokenType.StartObject => reader.Read() && reader.TokenType != JsonTokenType.EndObject,
        JsonTokenType.StartArray => reader.Read() && reader.TokenType != JsonTokenType.EndArray,
        _ => true,
    };

    /// <summary>The reason at the reader's position, such as <c>finish_reason</c>; null if it is not a string, or the string is empty or <c>null</c>.</summary>
    public static string? Reason(ref Utf8JsonReader reader) =>
        reader.TokenType != JsonTokenType.String || reader.ValueTextEquals(""u8) || reader.ValueTextEquals("null"u8) ? null : reader.GetString();

    public static string? Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate, or invalid UTF-8.
            return null;
        }
    }
}
