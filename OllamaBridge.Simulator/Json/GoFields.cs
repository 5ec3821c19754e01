using System.Text.Json;

namespace OllamaBridge.Simulator.Json;

/// <summary>Reads fields of a request by type, with Go's error for another type. Missing fields and null have the zero value.</summary>
internal static class GoFields
{
    public static string Text(this JsonElement from, ReadOnlySpan<byte> name) =>
        !TryGet(from, name, out var value) ? "" : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Mismatch(value, name, "string");

    public static bool? Flag(this JsonElement from, ReadOnlySpan<byte> name) =>
        !TryGet(from, name, out var value) ? null : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Mismatch(value, name, "bool"),
        };

    public static long? Integer(this JsonElement from, ReadOnlySpan<byte> name) =>
        !TryGet(from, name, out var value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : throw Mismatch(value, name, "int");

    public static double? Real(this JsonElement from, ReadOnlySpan<byte> name) =>
        !TryGet(from, name, out var value) ? null : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Mismatch(value, name, "float64");

    /// <summary>The elements of an array; empty if it is missing.</summary>
    public static IReadOnlyList<JsonElement> Items(this JsonElement from, ReadOnlySpan<byte> name)
    {
        if (!TryGet(from, name, out var value))
            return [];
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Mismatch(value, name, "[]interface {}");
    }

    /// <summary>A field that is present and not null.</summary>
    public static bool TryGet(JsonElement from, ReadOnlySpan<byte> name, out JsonElement value)
    {
        value = default;
        if (from.ValueKind != JsonValueKind.Object)
            return false;
        if (from.TryGetProperty(name, out value))
            return value.ValueKind != JsonValueKind.Null;
        // Names are case-insensitive, and the last field of a name is used.
        var wanted = System.Text.Encoding.UTF8.GetString(name);
        foreach (var property in from.EnumerateObject())
            if (property.Name.Equals(wanted, StringComparison.OrdinalIgnoreCase))
                value = property.Value;
        return value.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);
    }

    private static ApiError Mismatch(JsonElement value, ReadOnlySpan<byte> name, string type) =>
        new(
            400,
            $"json: cannot unmarshal {RequestBody.GoKind(value)} into Go struct field {GoTypes.Placeholder}.{System.Text.Encoding.UTF8.GetString(name)} of type {type}");
}
