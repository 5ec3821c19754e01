using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>Generates the JSON schema (draft 2020-12) of the gateway's configuration from its options types.</summary>
internal static partial class ConfigurationSchema
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly Dictionary<string, XElement> Documentation = XDocument
        .Load(Path.ChangeExtension(typeof(BridgeSettings).Assembly.Location, ".xml")).Descendants("member")
        .Where(m => m.Element("summary") is not null).ToDictionary(m => m.Attribute("name")!.Value, m => m.Element("summary")!);

    public static string Generate(SettingObject tree) => new JsonObject
    {
        ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
        ["title"] = "Settings of OllamaBridge's gateway",
        ["description"] = "Generated from the options types; docs/configuration.md explains the settings. Sections beside Bridge are ASP.NET Core's.",
        ["type"] = "object",
        ["properties"] = new JsonObject { ["$schema"] = new JsonObject { ["type"] = "string" }, [BridgeSettings.Root] = Of(tree) },
    }.ToJsonString(Indented).ReplaceLineEndings("\n") + "\n";

    private static JsonObject Of(SettingNode node)
    {
        var schema = node switch
        {
            SettingObject section => OfSection(section),
            SettingMap map => new JsonObject { ["type"] = Nullable("object"), ["additionalProperties"] = Of(map.Element) },
            SettingList list => new JsonObject { ["type"] = Nullable("array"), ["items"] = WithoutNull(Of(list.Element)) },
            SettingValue value => OfValue(value),
            _ => throw new InvalidOperationException($"No schema for {node}."),
        };
        if (Describe(node) is { Length: > 0 } text)
            schema["description"] = text;
        if (DefaultOf(node) is { } standard)
            schema["default"] = standard;
        return schema;
    }

    private static JsonObject OfSection(SettingObject section)
    {
        var members = new JsonObject();
        foreach (var (name, member) in section.Members.OrderBy(m => m.Key, StringComparer.Ordinal))
            members[name] = Of(member);
        return new JsonObject { ["type"] = Nullable("object"), ["properties"] = members, ["additionalProperties"] = false };
    }

    private static JsonObject OfValue(SettingValue value)
    {
        var range = value.Property?.GetCustomAttribute<RangeAttribute>();
        if (value.Type == typeof(TimeSpan))
            // Only 0 needs no unit.
            return new JsonObject { ["type"] = new JsonArray("string", "integer", "null"), ["pattern"] = Duration.Pattern, ["minimum"] = 0, ["maximum"] = 0 };
        if (value.Type.IsEnum)
            return OfNames(value.Type);
        if (value.Type == typeof(bool))
            return new JsonObject { ["type"] = Nullable("boolean") };
        if (value.Type == typeof(Uri))
            return new JsonObject { ["type"] = Nullable("string"), ["format"] = "uri-reference" };
        if (value.Type == typeof(string))
            return new JsonObject { ["type"] = Nullable("string") };
        var schema = new JsonObject { ["type"] = Nullable(SettingText.IsWhole(value.Type) ? "integer" : "number") };
        if (range is not null)
            (schema["minimum"], schema["maximum"]) = (Number(range.Minimum), Number(range.Maximum));
        return schema;
    }

    private static JsonObject OfNames(Type type)
    {
        var names = SettingText.Names(type);
        return type.IsDefined(typeof(FlagsAttribute))
            ? new JsonObject { ["type"] = Nullable("string"), ["pattern"] = $"^\\s*({string.Join('|', names)})(\\s*,\\s*({string.Join('|', names)}))*\\s*$" }
            : new JsonObject { ["enum"] = new JsonArray([.. names.Select(n => (JsonNode?)n), null]) };
    }

    // A null entry is an error.
    private static JsonObject WithoutNull(JsonObject schema)
    {
        foreach (var name in (string[])["type", "enum"])
            if (schema[name] is JsonArray values)
                values.Remove(values.First(v => v is null || v.ToString() == "null"));
        return schema;
    }

    // Null means that a setting is absent.
    private static JsonArray Nullable(string type) => [type, "null"];

    private static JsonNode Number(object value) => JsonNode.Parse(Convert.ToString(value, CultureInfo.InvariantCulture)!)!;

    private static string Describe(SettingNode node)
    {
        var text = node.Property is { } property ? Summary($"P:{property.DeclaringType!.FullName!.Replace('+', '.')}.{property.Name}")
            : node is SettingObject { Types: [var type, ..] } ? Summary($"T:{type.FullName!.Replace('+', '.')}")
            : "";
        if (node is SettingValue { Type: var span } && span == typeof(TimeSpan) && node.Property?.GetCustomAttribute<RangeAttribute>() is { } range)
            text += $" From {Shown(range.Minimum)} to {Shown(range.Maximum)}.";
        return node.NeedsRestart ? $"{text} A change needs a restart.".Trim() : text;
    }

    private static string Shown(object limit) => Duration.Format(TimeSpan.Parse((string)limit, CultureInfo.InvariantCulture));

    private static string Summary(string member)
    {
        if (!Documentation.TryGetValue(member, out var summary))
            return "";
        var text = string.Concat(summary.Nodes().Select(n => n switch
        {
            XElement { Name.LocalName: "see" } see => (see.Attribute("cref") ?? see.Attribute("langword"))!.Value.Split('.')[^1].Split(':')[^1],
            XElement element => element.Value,
            _ => n.ToString(),
        }));
        return Blanks().Replace(System.Net.WebUtility.HtmlDecode(text), " ").Trim();
    }

    private static JsonNode? DefaultOf(SettingNode node) => node switch
    {
        SettingValue { Default: TimeSpan span } => Duration.Format(span),
        SettingValue { Default: bool flag } => flag,
        SettingValue { Default: Enum name } => name.ToString(),
        SettingValue { Default: string { Length: > 0 } text } => text,
        SettingValue { Default: { } number } value when value.Type.IsPrimitive => Number(number),
        SettingMap { Default: IDictionary<string, float> map } => new JsonObject(map.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, (JsonNode?)Number(m.Value)))),
        _ => null,
    };

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
