using System.Text.Json;

namespace OllamaBridge.Simulator.Chat;

/// <summary>The field "format": responses in JSON, plain or by a schema.</summary>
internal static class JsonScript
{
    /// <summary>A generator of the response's text; null for prose.</summary>
    public static Func<ulong, string>? For(JsonElement format) =>
        IsNothing(format) ? null
        : format.ValueKind == JsonValueKind.Object ? random => SchemaSample.Make(format, random)
        : random => SchemaSample.Prose(random);

    /// <summary>The error for a format that is neither "json" nor a schema.</summary>
    public static ApiError? Check(JsonElement format)
    {
        if (IsNothing(format) || format.ValueKind == JsonValueKind.Object || (format.ValueKind == JsonValueKind.String && format.GetString() == "json"))
            return null;
        var text = format.GetRawText().Replace("\\", "\\\\").Replace("\"", "\\\"");
        return new ApiError(500, $"invalid format: \"{text}\"; expected \"json\" or a valid JSON Schema object");
    }

    private static bool IsNothing(JsonElement format) =>
        format.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null || (format.ValueKind == JsonValueKind.String && format.GetString()!.Length == 0);
}
