using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Tests;

/// <summary>The application model with containers. Compiled only with the Community Toolkit's Ollama integration.</summary>
public sealed class ContainerModelTests
{
    private static readonly string[] InstanceCommandNames = ["Drain", "Undrain", "Preload model…", "Unload model…"];

    [Fact]
    public async Task Container_ThreeInstances_CompleteApplicationModel()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Models=deepseek-r1:7b,nomic-embed-text", "--Fleet:Gpus:Vendor=Nvidia",
            "--Fleet:Gpus:Devices=0,1,2", "--Fleet:Limits:Cpus=4.5", "--Fleet:Limits:Memory=16g", "--Fleet:Server:Parallel=8");

        Assert.Equal("docker.io/ollama/ollama:0.32.15", builder.Image("ollama-1"));
        foreach (var (name, index) in new[] { ("ollama-1", 0), ("ollama-2", 1), ("ollama-3", 2) })
        {
            Assert.Equal(["ollama-models:/root/.ollama"], builder.Volumes(name));
            var environment = await builder.EnvironmentAsync(name);
            Assert.Equal("1", environment["OLLAMA_NOPRUNE"]);
            Assert.Equal("8", environment["OLLAMA_NUM_PARALLEL"]);
            Assert.Equal("10m", environment["OLLAMA_KEEP_ALIVE"]);
            Assert.Equal("2", environment["OLLAMA_MAX_LOADED_MODELS"]);
            Assert.Equal("10m", environment["OLLAMA_LOAD_TIMEOUT"]);
            Assert.Equal("8192", environment["OLLAMA_CONTEXT_LENGTH"]);
            var arguments = await builder.RuntimeArgumentsAsync(name);
            Assert.Equal(["--cpus=4.5", "--memory=16g"], arguments.Take(2));
            Assert.EndsWith($"={index}", arguments[^1], StringComparison.Ordinal);
            Assert.Equal(InstanceCommandNames, builder.Commands(name).Intersect(InstanceCommandNames));
            Assert.NotEmpty(builder.Get<IResource>(name).Annotations.OfType<HealthCheckAnnotation>());
        }

        // The first server pulls. The other servers wait for the first server but not for its models, because a pull can fail.
        Assert.Equal("deepseek-r1:7b", builder.Get<OllamaModelPullResource>("model-deepseek-r1-7b").Model);
        Assert.Equal("nomic-embed-text:latest", builder.Get<OllamaModelPullResource>("model-nomic-embed-text").Model);
        Assert.All(builder.Resources.OfType<OllamaModelPullResource>(), m => Assert.Equal("ollama-1", m.Parent.Name));
        Assert.Contains("Retry", builder.Commands("model-deepseek-r1-7b"));
        Assert.Empty(builder.Waits("ollama-1"));
        foreach (var other in new[] { "ollama-2", "ollama-3" })
            Assert.Equal(["ollama-1"], builder.Waits(other));
        Assert.All(
            ["ollama-1", "ollama-2", "ollama-3"],
            name => Assert.False(builder.Get<IResource>(name).Annotations.OfType<EndpointAnnotation>().Single().IsProxied));

        Assert.Superset(new HashSet<string> { "state", "ollama-1" }, builder.Waits("bridge").ToHashSet());
        Assert.DoesNotContain("ollama-2", builder.Waits("bridge"));
        Assert.Contains("Send a test prompt", builder.Commands("bridge"));
        Assert.NotEmpty(builder.Get<IResource>("bridge").Annotations.OfType<HealthCheckAnnotation>());
    }

    [Fact]
    public async Task Bridge_ThreeInstances_ReceivesReferences()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Gpus:Vendor=None");

        var environment = await builder.EnvironmentAsync("bridge");

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal($"http://ollama-{i + 1}", environment[$"Bridge__Instances__{i}__Url"]);
            Assert.Equal($"ollama-{i + 1}", environment[$"Bridge__Instances__{i}__Name"]);
            Assert.Equal("4", environment[$"Bridge__Instances__{i}__Slots"]);
            Assert.Equal("2", environment[$"Bridge__Instances__{i}__MaxLoadedModels"]);
            Assert.DoesNotContain($"Bridge__Instances__{i}__Discovery", environment.Keys);
            Assert.Equal($"{{ollama-{i + 1}.bindings.http.url}}", environment[$"services__ollama-{i + 1}__http__0"]);
        }

        Assert.Equal("{state.connectionString}", environment["ConnectionStrings__state"]);
        Assert.DoesNotContain(environment, v => v.Key.EndsWith("PASSWORD", StringComparison.Ordinal));
        Assert.DoesNotContain("ASPNETCORE_FORWARDEDHEADERS_ENABLED", environment.Keys);
        var referenced = builder.Get<IResource>("bridge").Annotations.OfType<ResourceRelationshipAnnotation>()
            .Where(r => r.Type == "Reference").Select(r => r.Resource.Name);
        Assert.Superset(new HashSet<string> { "ollama-1", "ollama-2", "ollama-3", "state" }, referenced.ToHashSet());
    }

    [Fact]
    public async Task Container_Amd_UsesRocmImageAndOneVisibleDevice()
    {
        var (builder, bridge) = Apps.With(new FakeHost("docker", AmdGpus: 2));
        bridge.WithContainerInstances(2);
        await using var app = builder.Build();

        await builder.Eventing.PublishAsync(
            new BeforeStartEvent(app.Services, new DistributedApplicationModel(builder.Resources)), TestContext.Current.CancellationToken);

        Assert.EndsWith("-rocm", builder.Image("ollama-2"), StringComparison.Ordinal);
        Assert.Equal(["--device", "/dev/kfd", "--device", "/dev/dri"], await builder.RuntimeArgumentsAsync("ollama-2"));
        Assert.Equal("1", (await builder.EnvironmentAsync("ollama-2"))["ROCR_VISIBLE_DEVICES"]);
    }

    [Fact]
    public async Task Container_Podman_UsesCdiDeviceName()
    {
        var (builder, bridge) = Apps.With(new FakeHost("podman", NvidiaGpus: 2));
        bridge.WithContainerInstances(2);

        Assert.Equal(["--device", "nvidia.com/gpu=1"], await builder.RuntimeArgumentsAsync("ollama-2"));
    }

    [Fact]
    public async Task Tier_Cold_HasOwnSettingsAndExplicitStart()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Gpus:Vendor=None", "--Fleet:Instances=1",
            "--Fleet:Tiers:cold:Models=deepseek-r1:70b", "--Fleet:Tiers:cold:ExplicitStart=true", "--Fleet:Tiers:cold:Server:Parallel=1",
            "--Fleet:Tiers:cold:Limits:Memory=128g");

        var cold = await builder.EnvironmentAsync("ollama-cold-1");
        Assert.Equal("1", cold["OLLAMA_NUM_PARALLEL"]);
        Assert.Equal("10m", cold["OLLAMA_KEEP_ALIVE"]);
        Assert.Contains("--memory=128g", await builder.RuntimeArgumentsAsync("ollama-cold-1"));
        Assert.Single(builder.Get<IResource>("ollama-cold-1").Annotations.OfType<ExplicitStartupAnnotation>());
        Assert.Empty(builder.Get<IResource>("ollama-1").Annotations.OfType<ExplicitStartupAnnotation>());
        Assert.Equal("ollama-1", builder.Get<OllamaModelPullResource>("model-deepseek-r1-70b").Parent.Name);
        Assert.Equal("1", (await builder.EnvironmentAsync("bridge"))["Bridge__Instances__1__Slots"]);
    }

    [Fact]
    public async Task Builder_OrderOfCalls_DoesNotMatter()
    {
        var (late, lateBridge) = Apps.With(new FakeHost("docker", NvidiaGpus: 2));
        var (early, earlyBridge) = Apps.With(new FakeHost("docker", NvidiaGpus: 2));
        lateBridge.WithContainerInstances(2).WithContainerInstances(1, "cold").WithModels("a:1").WithServerOptions(new() { Parallel = 9 })
            .WithGpus(BridgeGpuVendor.Nvidia, "1")
            .WithLimits(new() { Cpus = 2 }).WithTier("cold", new() { ExplicitStart = true, Models = ["b:1"] }).WithPersistentContainers()
            .WithState(late.AddConnectionString("state"));
        earlyBridge.WithState(early.AddConnectionString("state")).WithPersistentContainers().WithModels("a:1")
            .WithTier("cold", new() { ExplicitStart = true, Models = ["b:1"] })
            .WithLimits(new() { Cpus = 2 }).WithGpus(BridgeGpuVendor.Nvidia, "1").WithServerOptions(new() { Parallel = 9 }).WithContainerInstances(2)
            .WithContainerInstances(1, "cold");

        foreach (var name in new[] { "ollama-1", "ollama-2", "ollama-cold-1" })
        {
            Assert.Equal(Kinds(early, name), Kinds(late, name));
            Assert.Equal(await early.EnvironmentAsync(name), await late.EnvironmentAsync(name));
            Assert.Equal(await early.RuntimeArgumentsAsync(name), await late.RuntimeArgumentsAsync(name));
            Assert.Equal(early.Waits(name).Order(), late.Waits(name).Order());
        }

        Assert.Equal(WithoutKey(await early.EnvironmentAsync("bridge")), WithoutKey(await late.EnvironmentAsync("bridge")));
        Assert.Equal(["--cpus=2", "--gpus", "device=1"], await late.RuntimeArgumentsAsync("ollama-2"));
    }

    [Fact]
    public async Task PersistentContainers_Instances_KeepPortsAndOutliveApplication()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Gpus:Vendor=None", "--Fleet:PersistentContainers=true");

        foreach (var name in new[] { "ollama-1", "ollama-2", "ollama-3" })
        {
            var resource = builder.Get<ContainerResource>(name);
            Assert.Equal(ContainerLifetime.Persistent, resource.Annotations.OfType<ContainerLifetimeAnnotation>().Single().Lifetime);
            Assert.Equal(PersistentPorts.Of(name), resource.Annotations.OfType<EndpointAnnotation>().Single().Port);
        }

        Assert.Equal(3, new[] { "ollama-1", "ollama-2", "ollama-3" }.Select(PersistentPorts.Of).Distinct().Count());
    }

    [Fact]
    public async Task OpenWebUI_Enabled_ReferencesBridgeAndWaitsForIt()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Gpus:Vendor=None", "--Fleet:OpenWebUI=true");

        var chat = Assert.Single(builder.Resources.OfType<OpenWebUIResource>());
        Assert.Equal("{bridge.bindings.http.url}", (await builder.EnvironmentAsync(chat.Name))["OLLAMA_BASE_URLS"]);
        Assert.Same(builder.Get<IResource>("bridge"), Assert.Single(chat.Annotations.OfType<WaitAnnotation>()).Resource);
    }

    [Fact]
    public async Task OpenWebUI_BridgeWithKey_ReceivesOpenAIKey()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Container", "--Fleet:State=Container", "--Fleet:Gpus:Vendor=None", "--Fleet:OpenWebUI=true", "--Fleet:RequireKey=true");

        var environment = await builder.EnvironmentAsync(Assert.Single(builder.Resources.OfType<OpenWebUIResource>()).Name);
        Assert.Equal("{bridge.bindings.http.url}/v1", environment["OPENAI_API_BASE_URL"]);
        Assert.Equal("{bridge-key.value}", environment["OPENAI_API_KEY"]);
        Assert.Equal("false", environment["ENABLE_OLLAMA_API"]);
    }

    private static IEnumerable<string> Kinds(IDistributedApplicationBuilder builder, string name) =>
        builder.Get<IResource>(name).Annotations.Select(a => a.GetType().Name).Where(
            n => n is "ExplicitStartupAnnotation" or "ContainerLifetimeAnnotation").Order();

    // The listener for cold tiers generates a new key at each start.
    private static Dictionary<string, string> WithoutKey(IReadOnlyDictionary<string, string> environment) =>
        environment.Where(e => !e.Key.EndsWith("ApiKey", StringComparison.Ordinal)).ToDictionary();
}
