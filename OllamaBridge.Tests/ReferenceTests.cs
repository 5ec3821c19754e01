using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Tests;

/// <summary>An external application uses the bridge and connects its own clients to it.</summary>
public sealed class ReferenceTests
{
    [Fact]
    public async Task WithReference_Client_ConnectionStringsForOllamaAndOpenAI()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(2).WithModels("deepseek-r1:7b", "qwen3:8b");
        builder.AddExecutable("client", "client", ".").WithReference(bridge).WaitFor(bridge);

        var environment = await builder.EnvironmentAsync("client");

        const string Url = "{bridge.bindings.http.scheme}://{bridge.bindings.http.host}:{bridge.bindings.http.port}";
        Assert.Equal("{bridge.connectionString}", environment["ConnectionStrings__bridge"]);
        Assert.Equal($"Endpoint={Url};Model=deepseek-r1:7b", ((IResourceWithConnectionString)bridge.Resource).ConnectionStringExpression.ValueExpression);
        Assert.Equal($"Endpoint={Url}/v1;Key=none;Model=deepseek-r1:7b", environment["ConnectionStrings__bridge-openai"]);
        Assert.Equal("{bridge.bindings.http.url}", environment["services__bridge__http__0"]);
        Assert.Equal(Url, environment["BRIDGE_URI"]);
        Assert.Equal("deepseek-r1:7b", environment["BRIDGE_MODEL"]);
        Assert.Contains("bridge", builder.Waits("client"));
    }

    [Fact]
    public async Task WithReference_NoModel_ConnectionStringHasNoModel()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(1);

        Assert.DoesNotContain("Model", ((IResourceWithConnectionString)bridge.Resource).ConnectionStringExpression.ValueExpression, StringComparison.Ordinal);
        Assert.DoesNotContain("Model", bridge.Resource.OpenAIConnectionStringExpression.ValueExpression, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OptionalResources_Enabled_ReferenceBridge()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Gpus:Vendor=Nvidia", "--Fleet:Gpus:Devices=0",
            "--Fleet:Prometheus=true", "--Fleet:Grafana=true", "--Fleet:DcgmExporter=true");

        Assert.Single(builder.Resources, r => r.Name == "prometheus");
        Assert.Contains("bridge", builder.Waits("prometheus"));
        Assert.Contains("prometheus", builder.Waits("grafana"));
        Assert.Contains("--cap-add", await builder.RuntimeArgumentsAsync("dcgm-exporter"));
    }

    [Fact]
    public async Task OptionalResources_Disabled_NotAdded()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Simulator", "--Fleet:State=Embedded");

        Assert.Empty(builder.Resources.OfType<ContainerResource>());
    }
}
