using System.Text;
using System.Text.Json;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Chat;

/// <summary>Generates a value that conforms to a JSON schema. Deterministic for each random number.</summary>
internal static class SchemaSample
{
    private const int MaxDepth = 8;
    private const int WordsOfProse = 8;

    public static string Make(JsonElement schema, ulong random)
    {
        using var json = new GoJson();
        Write(json, schema, random, 0);
        return Encoding.UTF8.GetString(json.Written);
    }

    /// <summary>An object with one sentence, for a format without a schema.</summary>
    public static string Prose(ulong random)
    {
        using var json = new GoJson();
        json.BeginObject().Field("answer"u8, Sentence(random, WordsOfProse)).EndObject();
        return Encoding.UTF8.GetString(json.Written);
    }

    private static void Write(GoJson json, JsonElement schema, ulong random, int depth)
    {
        if (GoFields.TryGet(schema, "const"u8, out var constant))
        {
            json.Value(Encoding.UTF8.GetBytes(constant.GetRawText()));
            return;
        }
        if (GoFields.TryGet(schema, "enum"u8, out var choices) && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() > 0)
        {
            json.Value(Encoding.UTF8.GetBytes(choices[(int)(random % (ulong)choices.GetArrayLength())].GetRawText()));
            return;
        }
        switch (Type(schema))
        {
            case "object" when depth < MaxDepth:
                WriteObject(json, schema, random, depth);
                break;
            case "array" when depth < MaxDepth:
                json.BeginArray();
                if (GoFields.TryGet(schema, "items"u8, out var items))
                    Write(json, items, TextHash.Mix(random), depth + 1);
                json.EndArray();
                break;
            case "integer" or "number":
                json.Number((long)(random % 100));
                break;
            case "boolean":
                json.Bool(random % 2 == 0);
                break;
            case "null":
                json.Null();
                break;
            default:
                json.String(Sentence(random, 2));
                break;
        }
    }

    private static void WriteObject(GoJson json, JsonElement schema, ulong random, int depth)
    {
        json.BeginObject();
        if (GoFields.TryGet(schema, "properties"u8, out var properties) && properties.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in properties.EnumerateObject())
            {
                json.Name(property.Name);
                Write(json, property.Value, TextHash.Mix(TextHash.Add(random, property.Name)), depth + 1);
            }
        }
        json.EndObject();
    }

    private static string Type(JsonElement schema)
    {
        if (!GoFields.TryGet(schema, "type"u8, out var type))
            return GoFields.TryGet(schema, "properties"u8, out _) ? "object" : "string";
        if (type.ValueKind == JsonValueKind.Array && type.GetArrayLength() > 0)
            type = type[0];
        return type.ValueKind == JsonValueKind.String ? type.GetString()! : "string";
    }

    private static string Sentence(ulong random, int words)
    {
        var state = SentenceState.After("x near");
        var text = new StringBuilder();
        for (var i = 0; i < words; i++)
            text.Append(state.Next(TextHash.Mix(random, (ulong)i)));
        return text.ToString().Trim();
    }
}
