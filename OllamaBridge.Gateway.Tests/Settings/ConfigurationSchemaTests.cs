using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Json.Schema;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>The JSON schema that is shipped with the gateway, and the configuration samples in the repository.</summary>
public sealed partial class ConfigurationSchemaTests
{
    private const string File = "OllamaBridge.Gateway/configuration.schema.json";

    public static TheoryData<string, string> Samples =>
    [
        .. RepositoryFiles.Pages
            .SelectMany(page => JsonBlock().Matches(RepositoryFiles.Read(page)).Select((m, i) => (page, m.Groups["json"].Value)))
            .Where(s => s.Value.Contains("\"Bridge\"", StringComparison.Ordinal)).Select(s => new TheoryDataRow<string, string>(s.page, s.Value)),
        .. new[] { "OllamaBridge.Gateway/appsettings.json" }.Select(f => new TheoryDataRow<string, string>(f, RepositoryFiles.Read(f))),
    ];

    /// <summary>OLLAMABRIDGE_UPDATE_SCHEMA=1 in the environment writes the file instead.</summary>
    [Fact]
    public void File_InRepository_MatchesOptionsTypes()
    {
        var schema = ConfigurationSchema.Generate(GatewaySettings.Tree);
        if (Environment.GetEnvironmentVariable("OLLAMABRIDGE_UPDATE_SCHEMA") == "1")
            System.IO.File.WriteAllText(RepositoryFiles.PathOf(File), schema);

        Assert.True(schema == RepositoryFiles.Read(File), $"{File} is out of date: run this test with OLLAMABRIDGE_UPDATE_SCHEMA=1 in the environment, and commit the file.");
    }

    [Theory, MemberData(nameof(Samples))]
    public void Samples_InDocuments_PassSchemaAndStrictCheck(string page, string json)
    {
        Assert.NotEmpty(page);
        Assert.True(IsValid(json), json);
        // Placeholders replace keys.
        var settings = GatewaySettings.Flatten(WithoutComments(json)).Select(s => s.Value is { } v && v.Contains('…', StringComparison.Ordinal) ? KeyValuePair.Create(s.Key, (string?)"placeholder") : s).ToArray();
        Assert.DoesNotContain(GatewaySettings.Mistakes(settings), m => !m.Contains("Keys:", StringComparison.Ordinal) && !m.Contains("Activator", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{ "Bridge": { "Queue": { "Lenght": 5 } } }""")]
    [InlineData("""{ "Bridge": { "Tennants": {} } }""")]
    [InlineData("""{ "Bridge": { "Instances": [ { "Slots": "four" } ] } }""")]
    [InlineData("""{ "Bridge": { "Instances": { "Url": "x" } } }""")]
    [InlineData("""{ "Bridge": { "Models": [ { "Weight": 1 } ] } }""")]
    [InlineData("""{ "Bridge": { "Instances": [ null ] } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "MaxWait": 5 } } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "MaxWait": "5" } } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "Length": -1 } } }""")]
    [InlineData("""{ "Bridge": { "Instances": [ { "Kind": "OpenIA" } ] } }""")]
    [InlineData("""{ "Bridge": { "Tenants": { "a": { "Scopes": "Inference, Root" } } } }""")]
    public void Schema_InvalidSetting_Rejected(string json)
    {
        Assert.False(IsValid(json));
        Assert.NotEmpty(GatewaySettings.MistakesOfJson(json));
    }

    [Fact]
    public void Compose_BridgeSettings_PassStrictCheck()
    {
        var environment = ComposeFile.Read("compose.yaml").Services["bridge"].Map("environment")
            .Where(e => e.Key.StartsWith("Bridge__", StringComparison.Ordinal) || e.Key.StartsWith("ConnectionStrings__", StringComparison.Ordinal))
            .Select(e => KeyValuePair.Create(e.Key.Replace("__", ":", StringComparison.Ordinal), (string?)Variable().Replace($"{e.Value}", v => v.Groups["kind"].Value == "-" ? v.Groups["text"].Value : "x")));

        Assert.DoesNotContain(GatewaySettings.Mistakes([.. environment]), m => !m.Contains(":Keys:", StringComparison.Ordinal));
    }

    private static bool IsValid(string json) => JsonSchema.FromText(RepositoryFiles.Read(File))
        .Evaluate(JsonSerializer.SerializeToElement(JsonNode.Parse(WithoutComments(json))), new EvaluationOptions { OutputFormat = OutputFormat.Flag }).IsValid;

    // Code blocks of pages may be fragments of an object.
    private static string WithoutComments(string json)
    {
        var text = json.Trim().TrimEnd(',');
        return text.StartsWith('{') ? text : $"{{ {text} }}";
    }

    [GeneratedRegex("^ *```json\\n(?<json>.*?)^ *```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex JsonBlock();

    [GeneratedRegex(@"\$\{(?<name>[A-Z0-9_]+):(?<kind>[-?])(?<text>[^}]*)\}")]
    private static partial Regex Variable();
}
