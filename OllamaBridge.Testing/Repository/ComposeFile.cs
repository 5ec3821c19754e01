using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace OllamaBridge.Testing.Repository;

/// <summary>A compose file as Docker Compose reads it, with resolved anchors and merges. Variables are not substituted.</summary>
internal sealed partial class ComposeFile
{
    public const string Folder = "deploy/compose";
    private readonly Dictionary<object, object?> _root;

    private ComposeFile(string text)
    {
        Text = text;
        _root = new DeserializerBuilder().Build().Deserialize<Dictionary<object, object?>>(new MergingParser(new Parser(new StringReader(text))));
    }

    public string Text { get; }

    public IReadOnlyDictionary<string, ComposeService> Services =>
        Map(_root["services"]).ToDictionary(s => s.Key, s => new ComposeService(Map(s.Value)));

    public static ComposeFile Read(string name) => new(RepositoryFiles.Read($"{Folder}/{name}"));

    /// <summary>The variables of a file with their defaults; null for a required variable.</summary>
    public IReadOnlyDictionary<string, string?> Variables()
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (Match match in Variable().Matches(Text))
        {
            var value = match.Groups["kind"].Value == "-" ? match.Groups["text"].Value : null;
            var name = match.Groups["name"].Value;
            if (variables.TryGetValue(name, out var other))
                Assert.True(other == value, $"{name} has two defaults: '{other}' and '{value}'.");
            variables[name] = value;
        }
        return variables;
    }

    internal static Dictionary<string, object?> Map(object? node) =>
        ((IDictionary<object, object?>)node!).ToDictionary(e => (string)e.Key, e => e.Value);

    [GeneratedRegex(@"\$\{(?<name>[A-Z0-9_]+):(?<kind>[-?])(?<text>[^}]*)\}")]
    private static partial Regex Variable();
}

internal sealed class ComposeService(Dictionary<string, object?> node)
{
    public string Image => (string)node["image"]!;

    public bool Has(string key) => node.ContainsKey(key);

    public string Text(string key) => (string)node[key]!;

    public IReadOnlyList<string> List(string key) => [.. ((IEnumerable<object?>)node[key]!).Cast<string>()];

    public Dictionary<string, object?> Map(string key) => ComposeFile.Map(node[key]);

    public string? Environment(string name) => (string?)Map("environment").GetValueOrDefault(name);

    /// <summary>The required state of another service before this one starts; null for none.</summary>
    public string? Awaits(string service) =>
        Has("depends_on") && Map("depends_on").TryGetValue(service, out var condition) ? (string?)ComposeFile.Map(condition)["condition"] : null;
}
