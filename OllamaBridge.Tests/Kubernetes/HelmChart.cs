using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using YamlDotNet.Serialization;

namespace OllamaBridge.Tests;

/// <summary>The chart that the application publishes, parsed.</summary>
internal sealed partial class HelmChart
{
    /// <summary>The password that a user sets at installation.</summary>
    public const string Password = "pass-for-this-test";

    /// <summary>The clients' API key.</summary>
    public const string Key = "ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    private HelmChart(string values, IReadOnlyDictionary<string, string> templates)
    {
        Values = values;
        Templates = templates;
    }

    /// <summary><c>values.yaml</c>.</summary>
    public string Values { get; }

    public IReadOnlyDictionary<string, string> Templates { get; }

    /// <summary>Publishes into a temporary folder and reads the chart.</summary>
    public static async Task<HelmChart> PublishAsync(params string[] arguments)
    {
        var folder = Directory.CreateTempSubdirectory("ollamabridge-chart-").FullName;
        try
        {
            await using var builder = await Apps.OwnAsync(["--operation", "publish", "--step", "publish", "--output-path", folder, .. arguments]);
            await using var app = await builder.BuildAsync(TestContext.Current.CancellationToken);
            await app.RunAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            var templates = Path.Combine(folder, "templates");
            return new HelmChart(
                await File.ReadAllTextAsync(Path.Combine(folder, "values.yaml"), TestContext.Current.CancellationToken),
                Directory.EnumerateFiles(templates, "*.yaml", SearchOption.AllDirectories)
                    .ToDictionary(f => Path.GetRelativePath(templates, f), File.ReadAllText));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>All objects, with values inserted. A field that Kubernetes does not know fails.</summary>
    /// <param name="set">Overrides of the chart's values, as in <c>helm install --set</c>.</param>
    public IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Render(params (string Key, string Value)[] set)
    {
        var values = Flatten("", new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(Values)).ToDictionary(v => v.Key, v => v.Value);
        foreach (var (key, value) in set)
            values[key] = value;
        values["Chart.Name"] = "ollamabridge";
        values["Release.Name"] = "test";
        values["Release.Namespace"] = "test-space";
        return [.. Templates.Values.SelectMany(t => KubernetesYaml.LoadAllFromString(Render(t, values), strict: true)).Cast<IKubernetesObject<V1ObjectMeta>>()];
    }

    /// <summary>Evaluates the small part of Helm's template language that the chart uses. Any other expression fails.</summary>
    private static string Render(string template, Dictionary<string, string> values) => Expression().Replace(template, expression =>
    {
        var match = Word().Match(expression.Groups[1].Value);
        Assert.True(match.Success, $"A template contains {expression.Value}, which this test does not support.");
        var key = match.Groups["key"].Value;
        key = key.StartsWith("Values.", StringComparison.Ordinal) ? key["Values.".Length..] : key;
        Assert.True(values.TryGetValue(key, out var value), $"A template reads {key}, which is missing from the values.");
        return match.Groups["message"].Success && value.Length == 0 ? throw new InvalidOperationException(match.Groups["message"].Value) : value;
    });

    private static IEnumerable<KeyValuePair<string, string>> Flatten(string prefix, object node) => node switch
    {
        IReadOnlyDictionary<string, object> map => map.SelectMany(m => Flatten($"{prefix}{m.Key}.", m.Value)),
        IReadOnlyDictionary<object, object> map => map.SelectMany(m => Flatten($"{prefix}{m.Key}.", m.Value)),
        _ => [new(prefix.TrimEnd('.'), node?.ToString() ?? "")],
    };

    [GeneratedRegex(@"\{\{\s*(.*?)\s*\}\}")]
    private static partial Regex Expression();

    [GeneratedRegex(@"^(required `(?<message>[^`]+)` )?\.(?<key>(Values|Chart|Release)\.[A-Za-z0-9_.]+)$", RegexOptions.ExplicitCapture)]
    private static partial Regex Word();
}
