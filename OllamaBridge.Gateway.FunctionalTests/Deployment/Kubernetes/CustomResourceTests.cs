using System.Text.Json.Nodes;
using OllamaBridge.Testing.Repository;
using Xunit.Sdk;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The schemas in the tests' folder refuse everything that the official definitions refuse, as checked with a real API server.</summary>
public sealed class CustomResourceTests
{
    private const string Route = "components/gateway-api/httproute.yaml";
    private const string Scaler = "components/autoscaling-keda/scaledobject.yaml";

    [Theory]
    // A field of later definitions, which the oldest supported definition drops.
    [InlineData(Route, "    - matches:", "    - name: apis\n      matches:")]
    // A Service without a port, a path that does not begin at the root, an invalid duration, and an IP address as the host name.
    [InlineData(Route, "          port: 11400\n", "")]
    [InlineData(Route, "            value: /v1", "            value: v1")]
    [InlineData(Route, "      timeouts:\n        request: 0s", "      timeouts:\n        request: 0")]
    [InlineData(Route, "hostnames: [ollama.example.com]", "hostnames: [\"https://ollama.example.com\"]")]
    // A string in place of a number, a number in place of a string, and invalid numbers.
    [InlineData(Scaler, "  minReplicaCount: 3", "  minReplicaCount: \"3\"")]
    [InlineData(Scaler, "        threshold: \"3\"", "        threshold: 3")]
    [InlineData(Scaler, "  maxReplicaCount: 10", "  maxReplicaCount: 0")]
    [InlineData(Scaler, "  pollingInterval: 15", "  pollingInterval: 0")]
    [InlineData(Scaler, "  pollingInterval: 15", "  pollingIntervall: 15")]
    public void Parse_InvalidByDefinition_Refused(string file, string right, string wrong)
    {
        var text = Overlay.Split(RepositoryFiles.Read($"{Overlay.Folder}/{file}")).First();
        Assert.Contains(right, text, StringComparison.Ordinal);
        Overlay.Parse(text);

        Assert.ThrowsAny<XunitException>(() => Overlay.Parse(text.Replace(right, wrong, StringComparison.Ordinal)));
    }

    [Fact]
    public void Lists_ServerDefaults_WrittenExplicitly()
    {
        // A list is replaced as a whole: if an entry's default is missing, each apply and each diff reports a change.
        var route = Overlay.Read("gateway-api").CustomResources.Single(o => (string)o["kind"]! == "HTTPRoute")["spec"]!;
        AssertHas(route["parentRefs"]!, "group", "kind");
        AssertHas(route["rules"]![0]!["matches"]!, "path");
        AssertHas(route["rules"]![0]!["backendRefs"]!, "group", "kind", "weight");
        var monitor = Overlay.Read("monitoring").CustomResources.Single(o => (string)o["kind"]! == "ServiceMonitor")["spec"]!;
        AssertHas(monitor["endpoints"]![0]!["relabelings"]!, "action");

        static void AssertHas(JsonNode list, params string[] fields) =>
            Assert.All(list.AsArray(), entry => Assert.All(fields, field => Assert.True(entry!.AsObject().ContainsKey(field), $"{entry} has no {field}")));
    }
}
