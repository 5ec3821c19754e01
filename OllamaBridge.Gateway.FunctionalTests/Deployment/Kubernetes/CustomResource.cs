using System.Text.Json.Nodes;
using Json.Schema;
using OllamaBridge.Testing.Repository;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using k8s;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>Custom resources, validated with the schemas in the tests' folder.</summary>
internal static class CustomResource
{
    /// <summary>Parses an object. A field that its schema does not have is an error.</summary>
    public static JsonNode Parse(KubernetesObject head, string yaml)
    {
        var file = RepositoryFiles.PathOf($"OllamaBridge.Gateway.FunctionalTests/Deployment/Kubernetes/Schemas/{head.Kind}.json");
        Assert.True(File.Exists(file), $"There is no schema for the kind {head.Kind} ({head.ApiVersion}).");
        var node = ToJson(yaml);
        var result = JsonSchema.FromText(File.ReadAllText(file)).Evaluate(
            System.Text.Json.JsonSerializer.SerializeToElement(node), new EvaluationOptions { OutputFormat = OutputFormat.List });
        Assert.True(result.IsValid, string.Join('\n', (result.Details ?? []).Where(d => d.Errors is not null)
            .SelectMany(d => d.Errors!.Select(e => $"{head.Kind}{d.InstanceLocation}: {e.Value}"))));
        return node;
    }

    /// <summary>Converts YAML as an API server does: quoted values are strings, unquoted numbers and booleans are typed.</summary>
    public static JsonNode ToJson(string yaml)
    {
        var parser = new Parser(new StringReader(yaml));
        parser.Consume<StreamStart>();
        parser.Consume<DocumentStart>();
        return Node(parser)!;
    }

    private static JsonNode? Node(IParser parser)
    {
        if (parser.TryConsume<Scalar>(out var scalar))
            return Value(scalar);
        if (parser.TryConsume<SequenceStart>(out _))
        {
            var list = new JsonArray();
            while (!parser.TryConsume<SequenceEnd>(out _))
                list.Add(Node(parser));
            return list;
        }

        parser.Consume<MappingStart>();
        var map = new JsonObject();
        while (!parser.TryConsume<MappingEnd>(out _))
            map.Add(parser.Consume<Scalar>().Value, Node(parser));
        return map;
    }

    private static JsonNode? Value(Scalar scalar) => scalar switch
    {
        { Style: not ScalarStyle.Plain } => scalar.Value,
        { Value: "null" or "~" or "" } => null,
        { Value: "true" or "false" } => scalar.Value == "true",
        _ when int.TryParse(scalar.Value, System.Globalization.CultureInfo.InvariantCulture, out var number) => number,
        _ => scalar.Value,
    };
}
