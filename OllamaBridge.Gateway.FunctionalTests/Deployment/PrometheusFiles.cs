using OllamaBridge.Testing.Repository;
using YamlDotNet.Serialization;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>An alerting or recording rule. The annotations are the texts for operators.</summary>
internal sealed record PrometheusRule(
    string Name, bool IsAlert, string Expression, IReadOnlyDictionary<string, string> Labels, IReadOnlyDictionary<string, string> Annotations);

/// <summary>The files of <c>deploy/prometheus</c>.</summary>
internal static class PrometheusFiles
{
    public const string Folder = "deploy/prometheus";

    public static IReadOnlyList<PrometheusRule> Rules { get; } =
        [.. Yaml("rules").SelectMany(f => List(f, "groups")).SelectMany(g => List(g, "rules")).Select(Rule)];

    /// <summary>The names of the recording rules.</summary>
    public static IReadOnlySet<string> Recorded { get; } = Rules.Where(r => !r.IsAlert).Select(r => r.Name).ToHashSet();

    /// <summary>The expectations of the alert tests: the alert, and whether it fires.</summary>
    public static IReadOnlyList<(string Alert, bool Fires)> Cases { get; } =
    [
        .. Yaml("tests").SelectMany(f => List(f, "tests")).SelectMany(t => List(t, "alert_rule_test"))
            .Select(c => ((string)Map(c)["alertname"], List(c, "exp_alerts").Any())),
    ];

    /// <summary>The paths of a folder's files.</summary>
    public static string[] In(string folder) => [.. Directory.GetFiles(RepositoryFiles.PathOf($"{Folder}/{folder}"), "*.yml").Order()];

    private static IEnumerable<object> Yaml(string folder) =>
        In(folder).Select(path => new DeserializerBuilder().Build().Deserialize<object>(File.ReadAllText(path)));

    private static PrometheusRule Rule(object rule)
    {
        var map = Map(rule);
        var isAlert = map.ContainsKey("alert");
        return new PrometheusRule((string)map[isAlert ? "alert" : "record"], isAlert, (string)map["expr"], Texts(map, "labels"), Texts(map, "annotations"));
    }

    private static Dictionary<object, object> Map(object value) => (Dictionary<object, object>)value;

    private static IEnumerable<object> List(object value, string key) => Map(value).TryGetValue(key, out var list) ? (List<object>)list : [];

    private static Dictionary<string, string> Texts(Dictionary<object, object> map, string key) =>
        map.TryGetValue(key, out var texts) ? Map(texts).ToDictionary(t => (string)t.Key, t => (string)t.Value) : [];
}
