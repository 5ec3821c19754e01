using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The application model for each kind of instance: resources and their connections.</summary>
public sealed class ModelTests
{
    private static readonly string[] InstanceCommandNames = ["Drain", "Undrain", "Preload model…", "Unload model…"];

    [Fact]
    public async Task Bridge_LinksAndLogLine_ListAllAddresses()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(1);
        var log = new LogLines();
        builder.Services.AddSingleton<ILoggerProvider>(log);
        await using var app = builder.Build();

        var links = await builder.LinksAsync("bridge", 11400);
        await builder.Eventing.PublishAsync(new ResourceEndpointsAllocatedEvent(bridge.Resource, app.Services), TestContext.Current.CancellationToken);

        Assert.Contains("Fleet page http://localhost:11401/bridge/", links);
        Assert.Contains("Admin: OpenAPI http://localhost:11401/bridge/openapi.json", links);
        Assert.Contains("Metrics http://localhost:11401/metrics", links);
        var line = Assert.Single(log.Lines, l => l.StartsWith("bridge: ", StringComparison.Ordinal));
        string[] addresses =
        [
            "http://localhost:11400,", "http://localhost:11400/v1;", "http://localhost:11401/bridge/,", "http://localhost:11401/bridge/openapi.json,",
            "http://localhost:11401/metrics",
        ];
        foreach (var address in addresses)
            Assert.Contains(address, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Executable_Instances_HaveOwnPortsFoldersAndGpus()
    {
        var (builder, bridge) = Apps.With(new FakeHost(null, NvidiaGpus: 1, Programs: ["ollama"]));
        bridge.WithLocalInstances(2).WithModels("deepseek-r1:7b").WithServerOptions(new() { Parallel = 2 });

        var first = await builder.EnvironmentAsync("ollama-1");
        var second = await builder.EnvironmentAsync("ollama-2");
        Assert.Equal("1", first["OLLAMA_NOPRUNE"]);
        Assert.Equal("2", second["OLLAMA_NUM_PARALLEL"]);
        Assert.Equal("0", second["CUDA_VISIBLE_DEVICES"]);
        var temporary = OperatingSystem.IsWindows() ? "TMP" : "TMPDIR";
        Assert.NotEqual(first[temporary], second[temporary]);
        Assert.Equal("127.0.0.1:{ollama-2.bindings.http.targetPort}", second["OLLAMA_HOST"]);
        Assert.All(["ollama-1", "ollama-2"], name =>
        {
            var resource = builder.Get<ExecutableResource>(name);
            Assert.Equal("ollama", resource.Command);
            var endpoint = Assert.Single(resource.Annotations.OfType<EndpointAnnotation>());
            Assert.Null(endpoint.TargetPort);
            Assert.False(endpoint.IsProxied);
        });
        Assert.Equal(["serve"], await builder.ArgumentsAsync("ollama-1"));
        Assert.Equal(["ollama-1"], builder.Waits("ollama-2"));
        Assert.Equal("ollama-1", builder.Get<OllamaModelPullResource>("model-deepseek-r1-7b").Parent.Name);
        Assert.Equal(InstanceCommandNames, builder.Commands("ollama-2").Intersect(InstanceCommandNames));
    }

    [Fact]
    public async Task Simulator_Instances_HaveModelsWithoutPull()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Instances=2", "--Fleet:Models=a:1,b");

        Assert.Equal(2, builder.Resources.OfType<ISimulatedOllama>().Count());
        Assert.Empty(builder.Resources.OfType<OllamaModelPullResource>());
        var arguments = await builder.ArgumentsAsync("ollama-2");
        Assert.Equal("--port {ollama-2.bindings.http.targetPort} --models a:1,b:latest --slots 4", string.Join(' ', arguments));
        Assert.Equal("10m", (await builder.EnvironmentAsync("ollama-1"))["OLLAMA_KEEP_ALIVE"]);
        Assert.Equal(InstanceCommandNames, builder.Commands("ollama-2").Intersect(InstanceCommandNames));
        Assert.NotEmpty(builder.Get<IResource>("ollama-1").Annotations.OfType<HealthCheckAnnotation>());
        Assert.Contains("ollama-1", builder.Waits("bridge"));
    }

    [Fact]
    public async Task External_Urls_BecomeInstances()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Urls=http://10.0.0.5:11434,https://gpu.example:8443", "--Fleet:State=Embedded");

        Assert.Equal(2, builder.Resources.OfType<ExternalServiceResource>().Count());
        var environment = await builder.EnvironmentAsync("bridge");
        Assert.Equal("http://10.0.0.5:11434", environment["Bridge__Instances__0__Url"]);
        Assert.Equal("https://gpu.example:8443", environment["Bridge__Instances__1__Url"]);
        Assert.DoesNotContain("Bridge__Instances__2__Url", environment.Keys);
        Assert.Equal(InstanceCommandNames, builder.Commands("ollama-1").Intersect(InstanceCommandNames));
    }

    [Fact]
    public async Task Builder_OrderOfCalls_DoesNotMatter()
    {
        var (late, lateBridge) = Apps.With(new FakeHost(Programs: ["ollama"]));
        var (early, earlyBridge) = Apps.With(new FakeHost(Programs: ["ollama"]));
        lateBridge.WithLocalInstances(1).WithSimulatedInstances(1, "cold").WithModels("a:1").WithTier("cold", new() { ExplicitStart = true, Models = ["b:1"] })
            .WithApiKey(late.AddBridgeKey("key")).WithServerOptions(new() { Parallel = 9 });
        earlyBridge.WithServerOptions(new() { Parallel = 9 }).WithApiKey(early.AddBridgeKey("key")).WithModels("a:1")
            .WithTier("cold", new() { ExplicitStart = true, Models = ["b:1"] }).WithLocalInstances(1).WithSimulatedInstances(1, "cold");

        foreach (var name in new[] { "ollama-1", "ollama-cold-1" })
            Assert.Equal(await early.EnvironmentAsync(name), await late.EnvironmentAsync(name));
        foreach (var builder in new[] { early, late })
        {
            Assert.Single(builder.Get<IResource>("ollama-cold-1").Annotations.OfType<ExplicitStartupAnnotation>());
            Assert.Equal("b:1", (await builder.EnvironmentAsync("bridge"))["Bridge__Tiers__cold__Models__0"]);
            Assert.Contains("model-a-1", builder.Resources.Select(r => r.Name));
            Assert.Contains("model-b-1", builder.Resources.Select(r => r.Name));
        }
    }

    [Fact]
    public async Task Instances_ExternalAndSimulated_ShareOneFleet()
    {
        var (builder, bridge) = Apps.With(new FakeHost());

        bridge.WithExternalInstances("http://10.0.0.5:11434/").WithSimulatedInstances(1);

        var environment = await builder.EnvironmentAsync("bridge");
        Assert.Equal("http://10.0.0.5:11434", environment["Bridge__Instances__0__Url"]);
        Assert.Equal("http://ollama-2", environment["Bridge__Instances__1__Url"]);
    }

    [Fact]
    public void Bridge_Dashboard_ShowsOperatorLinksOnlyInDetails()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(1);

        Assert.Equal(["Bridge", "Fleet page"], builder.Links("bridge", UrlDisplayLocation.SummaryAndDetails));
        Assert.Equal(
            ["Admin: OpenAPI", "Admin: instances", "Admin: queue", "Metrics"],
            builder.Links("bridge", UrlDisplayLocation.DetailsOnly).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TestPrompt_Arguments_TextInputFirst()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(1);

        var command = builder.Get<IResource>("bridge").Annotations.OfType<ResourceCommandAnnotation>().Single(c => c.Name == BridgeCommands.TestPrompt);

        // The dashboard focuses the first input of the dialog.
        Assert.Equal([InputType.Text, InputType.Choice], command.Arguments.Select(a => a.InputType));
    }

    [Theory]
    [InlineData("bridge")]
    [InlineData("ollama-1")]
    [InlineData("state")]
    public async Task Programs_RunMode_HaveApplicationEnvironmentWithoutExporterRetries(string name)
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--environment=Development");

        var environment = await builder.EnvironmentAsync(name);

        Assert.Equal("Development", environment["ASPNETCORE_ENVIRONMENT"]);
        Assert.DoesNotContain("OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY", environment.Keys);
        Assert.Equal("1000", environment["OTEL_EXPORTER_OTLP_TIMEOUT"]);
        Assert.Contains("OTEL_EXPORTER_OTLP_ENDPOINT", environment.Keys);
    }

    [Fact]
    public async Task Bridge_Replicas_UseProxiedPorts()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Bridges=2");

        var bridge = builder.Get<IResource>("bridge");
        Assert.Equal(2, bridge.Annotations.OfType<ReplicaAnnotation>().Single().Replicas);
        Assert.Equal(["admin", "http"], bridge.Annotations.OfType<EndpointAnnotation>().Where(e => e.IsProxied).Select(e => e.Name).Order());
    }
}
