using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Interprets JSON values as servers of different kinds mean them.</summary>
internal static class JsonValues
{
    /// <summary>Whether the value at the reader's position is set: not null, false, or an empty string, object or array.</summary>
    /// <remarks>Many servers write <c>"error": null</c> or <c>"error": ""</c> into every message. The reader is a copy; the caller's does not move.</remarks>
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

    /// <summary>The text of a JSON string; null if the value is not a string, or not valid text.</summary>
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
