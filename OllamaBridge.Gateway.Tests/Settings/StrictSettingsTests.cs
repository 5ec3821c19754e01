using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>Every unknown key and every unreadable value is an error that names its key.</summary>
public sealed class StrictSettingsTests
{
    [Theory]
    // Examples of the issue.
    [InlineData("Bridge:Tenants:a:Limits:TokensPerDay", "1e6", "whole number")]
    [InlineData("Bridge:Instances:0:Slots", "four", "whole number")]
    [InlineData("Bridge:Queue:Lenght", "5", "Bridge:Queue:Length")]
    [InlineData("Bridge:Tennants:a:Keys:0", "x", "Bridge:Tenants")]
    [InlineData("Bridge:Models:0:Weight", "2", "Bridge:Models:0:")]
    // Unknown keys at every depth.
    [InlineData("Bridge:Url", "http://a", "Bridge:Urls")]
    [InlineData("Bridge:Instance:0:Url", "http://a", "Bridge:Instances")]
    [InlineData("Bridge:Instances:0:Urll", "http://a", "Bridge:Instances:0:Url")]
    [InlineData("Bridge:Tenants:a:Limits:TokensPerDy", "5", "Bridge:Tenants:a:Limits:TokensPerDay")]
    [InlineData("Bridge:Tenants:a:Limits:Models:0:Modell", "x", "Bridge:Tenants:a:Limits:Models:0:Model")]
    [InlineData("Bridge:Tiers:cold:Kubernetes:Statefulset1", "x", "Bridge:Tiers:cold:Kubernetes:StatefulSet")]
    [InlineData("Bridge:Regions:Peers:0:Key", "x", "Bridge:Regions:Peers:0:ApiKey")]
    [InlineData("Bridge:Limits:MaxOutputToken", "5", "Bridge:Limits:MaxOutputTokens")]
    // Computed properties are not settings.
    [InlineData("Bridge:State:IsShared", "true", "no such setting")]
    [InlineData("Bridge:Tenants:a:Limits:IsUnlimited", "true", "no such setting")]
    // Values of each type.
    [InlineData("Bridge:Queue:Length", "", "is empty")]
    [InlineData("Bridge:Queue:Length", "0x10", "whole number")]
    [InlineData("Bridge:Queue:Length", "1.0", "whole number")]
    [InlineData("Bridge:Queue:Length", "99999999999", "outside")]
    [InlineData("Bridge:Queue:InputTokenWeight", "NaN", "outside")]
    [InlineData("Bridge:Queue:InputTokenWeight", "1e999", "outside")]
    [InlineData("Bridge:Queue:InputTokenWeight", "1,5", "not a number")]
    [InlineData("Bridge:Queue:MaxWait", "5", "no unit")]
    [InlineData("Bridge:Queue:MaxWait", "often", "not a duration")]
    [InlineData("Bridge:Scheduling:Scorers:load", "much", "not a number")]
    [InlineData("Bridge:Access:RequireKey", "yes", "true or false")]
    [InlineData("Bridge:Access:RequireKey", "1", "true or false")]
    [InlineData("Bridge:Instances:0:Kind", "1", "OpenAI")]
    [InlineData("Bridge:Instances:0:Kind", "OpenIA", "the nearest is OpenAI")]
    [InlineData("Bridge:Tenants:a:Scopes", "Inference,Amin", "the nearest is Admin")]
    [InlineData("Bridge:Tenants:a:Scopes", "7", "Inference")]
    // Sections, lists and values of the wrong kind.
    [InlineData("Bridge", "x", "is a section")]
    [InlineData("Bridge:Queue", "5", "is a section")]
    [InlineData("Bridge:Tenants", "a", "named entries")]
    [InlineData("Bridge:Tenants:a", "x", "is a section")]
    [InlineData("Bridge:Instances", "http://a", "is a list")]
    [InlineData("Bridge:Instances:first:Url", "http://a", "is a list")]
    [InlineData("Bridge:Instances:0", "http://a", "is a section")]
    [InlineData("Bridge:Access:Origins", "https://a", "is a list")]
    [InlineData("Bridge:Access:Origins:x", "https://a", "is a list")]
    [InlineData("Bridge:Urls:0", "http://a", "single value")]
    [InlineData("Bridge:Queue:Length:Max", "5", "single value")]
    public void Start_InvalidSetting_ErrorNamesKey(string key, string value, string words)
    {
        var mistake = Assert.Single(GatewaySettings.Mistakes(KeyValuePair.Create(key, (string?)value)), m => key.StartsWith(m.Split(": ")[0], StringComparison.OrdinalIgnoreCase) && m.Contains(words, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', mistake);
    }

    [Theory]
    [InlineData("Brigde:Urls")]
    [InlineData("Bridges:Urls")]
    [InlineData("Bridge_Queue:Length")]
    public void Start_MisspeltRoot_Reported(string key) =>
        Assert.Contains(GatewaySettings.Mistakes(KeyValuePair.Create(key, (string?)"5")), m => m.Contains("The nearest one is Bridge.", StringComparison.Ordinal));

    [Theory]
    [InlineData("Queue:Length", "Bridge:Queue")]
    [InlineData("tenants:a:Keys:0", "Bridge:Tenants")]
    public void Start_SectionOutsideBridge_Reported(string key, string nearest) =>
        Assert.Contains(GatewaySettings.Mistakes(KeyValuePair.Create(key, (string?)"5")), m => m.Contains($"The nearest one is {nearest}.", StringComparison.Ordinal));

    [Theory]
    [InlineData("Logging:LogLevel:Default", "Warning")]
    [InlineData("Kestrel:Endpoints:a:Url", "http://127.0.0.1:0")]
    [InlineData("ConnectionStrings:state", "localhost:6379")]
    [InlineData("services:ollama:http:0", "http://ollama")]
    [InlineData("AllowedHosts", "*")]
    [InlineData("BRIDGE_SERVICE_HOST", "10.0.0.1")] // Kubernetes sets it for a Service of that name.
    public void Start_FrameworkKeys_Ignored(string key, string value) => Assert.Empty(GatewaySettings.Mistakes(KeyValuePair.Create(key, (string?)value)));

    [Theory]
    [InlineData("""{ "bridge": { "QUEUE": { "length": 5 } } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "Length": "5" } } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "Length": null, "MaxWait": null } } }""")]
    [InlineData("""{ "Bridge": { "Queue": null, "Tenants": null, "Instances": null } }""")]
    [InlineData("""{ "Bridge": { "Queue": {}, "Tenants": {}, "Instances": [], "Access": { "Origins": [] } } }""")]
    [InlineData("""{ "Bridge": { "Tenants": { "a": {} } } }""")]
    [InlineData("""{ "Bridge": { "Tenants": { "a": { "Scopes": "inference, ADMIN", "Priority": "batch" } } } }""")]
    [InlineData("""{ "Bridge": { "Health": { "SlowStart": 0, "QuarantineCpu": "FALSE" } } }""")]
    [InlineData("""{ "Bridge": { "Limits": { "MaxOutputTokens": "" } } }""")]
    [InlineData("""{ "Bridge": { "Queue": { "MaxWait": "1h30m" }, "Breaker": { "Window": "1.5s" } } }""")]
    public void Start_GoodJson_Accepted(string json) => Assert.Empty(GatewaySettings.MistakesOfJson(json));

    [Theory]
    [InlineData("""{ "Bridge": { "Instances": { "Url": "http://a" } } }""", "Bridge:Instances:Url")]
    [InlineData("""{ "Bridge": { "Instances": [ null ] } }""", "Bridge:Instances:0")]
    [InlineData("""{ "Bridge": { "Access": { "Origins": [ null ] } } }""", "Bridge:Access:Origins:0")]
    [InlineData("""{ "Bridge": { "Tenants": [ { "Weight": 1 } ] } }""", "Bridge:Tenants:0:Weights")]
    [InlineData("""{ "Bridge": [] , "Queue": 5 }""", "")]
    [InlineData("""{ "Bridge": { "Queue": [ 5 ] } }""", "Bridge:Queue:0")]
    [InlineData("""{ "Bridge": { "Urls": { "a": "http://a" } } }""", "Bridge:Urls")]
    public void Start_WrongShapes_Reported(string json, string key)
    {
        var mistakes = GatewaySettings.MistakesOfJson(json);
        // An empty array instead of a section equals no section, and a list's index may be a tenant's name.
        if (key.Length == 0 || key.EndsWith("Weights", StringComparison.Ordinal))
            Assert.Empty(mistakes);
        else
            Assert.Contains(mistakes, m => m.StartsWith($"{key}: ", StringComparison.Ordinal));
    }

    [Fact]
    public void Start_SeveralErrors_AllReported()
    {
        var mistakes = GatewaySettings.Mistakes(
            new("Bridge:Queue:Lenght", "5"), new("Bridge:Health:Interval", "often"), new("Bridge:Tracing:TracesPerSecond", "-1"), new("Bridge:Tennants:a:Weight", "2"));

        // The section that the server reads itself is also checked.
        Assert.Equal(2, GatewaySettings.Mistakes(new("Bridge:Limits:MaxBdy", "5"), new("Bridge:Queue:Lenght", "5")).Count);
        Assert.Equal(4, mistakes.Count);
        Assert.Equal(4, mistakes.Distinct().Count());
    }

    [Fact]
    public void Start_SecretInWrongPlace_NotRepeated()
    {
        var mistakes = GatewaySettings.Mistakes(new("Bridge:Tenants:a:Keys", "ob-secret"), new("Bridge:Tenants:b:Keys:ob-secret", "x"), new("Bridge:Gpu:Exporters:a", "http://user:ob-secret@a"), new("Bridge:Instances:0:ApiKey:x", "ob-secret"));

        Assert.NotEmpty(mistakes);
        Assert.All(mistakes, m => Assert.DoesNotContain("ob-secret", m, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Lenght", "Length")]
    [InlineData("legnth", "Length")]
    [InlineData("MaxWaits", "MaxWait")]
    [InlineData("Key", "ApiKey")]
    public void NearestName_Misspelt_Found(string text, string expected) => Assert.Equal(expected, NearestName.Of(text, ["Length", "Url", "MaxWait", "BatchPatience", "ApiKey"]));
}
