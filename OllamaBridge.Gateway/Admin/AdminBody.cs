using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Reads the JSON bodies of the operators' API strictly: unknown and duplicate fields are errors.</summary>
internal static class AdminBody
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads a body. Returns the object, or an error that lists the fields of <paramref name="type"/>.</summary>
    public static async Task<(JsonObject? Body, string? Mistake)> ReadAsync(HttpRequest request, JsonTypeInfo type, CancellationToken gone)
    {
        try
        {
            return await JsonNode.ParseAsync(request.Body, documentOptions: Strict, cancellationToken: gone) is JsonObject body
                ? (body, null)
                : (null, $"$: the body is not a JSON object. Its fields are {string.Join(", ", Fields(type).Select(p => p.Name))}.");
        }
        catch (JsonException e)
        {
            return (null, $"$: the body is not valid JSON. {StartupFailure.FirstLine(e.Message)}");
        }
    }

    /// <summary>Converts a body. <paramref name="mistake"/> receives every unknown field with its nearest match, or the field with an invalid value.</summary>
    public static T? Convert<T>(JsonObject body, JsonTypeInfo<T> type, out string? mistake)
        where T : class
    {
        mistake = FindMistake(body, type);
        if (mistake is not null)
            return null;
        try
        {
            return body.Deserialize(type);
        }
        catch (JsonException e)
        {
            mistake = $"{e.Path ?? "$"}: the value cannot be read.";
            return null;
        }
    }

    public static string? FindMistake(JsonObject body, JsonTypeInfo type)
    {
        var mistakes = new List<string>();
        Check(body, type, "", mistakes);
        return mistakes.Count == 0 ? null : string.Join(' ', mistakes);
    }

    /// <summary>Applies a JSON merge patch (RFC 7396). Neither argument changes.</summary>
    public static JsonObject Merge(JsonObject target, JsonObject patch)
    {
        var merged = target.DeepClone().AsObject();
        foreach (var (name, value) in patch)
        {
            if (value is null)
                merged.Remove(name);
            else if (value is JsonObject inner)
                merged[name] = Merge(merged[name] as JsonObject ?? [], inner);
            else
                merged[name] = value.DeepClone();
        }

        return merged;
    }

    private static void Check(JsonNode node, JsonTypeInfo type, string path, List<string> mistakes)
    {
        if (node is JsonArray array && type.Kind == JsonTypeInfoKind.Enumerable && type.ElementType is { } element)
        {
            for (var i = 0; i < array.Count; i++)
                if (array[i] is { } entry)
                    Check(entry, type.Options.GetTypeInfo(element), $"{path}[{i}]", mistakes);
                else
                    mistakes.Add($"$.{path}[{i}]: is null.");
        }
        else if (node is JsonObject body && type.Kind == JsonTypeInfoKind.Object)
        {
            foreach (var (name, value) in body)
                if (Fields(type).FirstOrDefault(p => p.Name == name) is not { } property)
                    mistakes.Add(
                        $"There is no field {SettingText.Quote($"$.{path}{Dot(path)}{name}")}. The nearest one is '{path}{Dot(path)}{NearestName.Of(name, Fields(type).Select(p => p.Name))}'.");
                else if (value is not null)
                    Check(value, type.Options.GetTypeInfo(property.PropertyType), $"{path}{Dot(path)}{name}", mistakes);
        }
        else if ((Nullable.GetUnderlyingType(type.Type) ?? type.Type) is { IsEnum: true } names && node is JsonValue
            && SettingText.Read(names, node.ToString(), out _) is { } mistake)
        {
            // The deserializer also accepts numbers as enum values.
            mistakes.Add($"$.{path}: {mistake}.");
        }
    }

    // Ignored properties have neither.
    private static IEnumerable<JsonPropertyInfo> Fields(JsonTypeInfo type) => type.Properties.Where(p => p.Get is not null || p.Set is not null);

    private static string Dot(string path) => path.Length == 0 ? "" : ".";
}
