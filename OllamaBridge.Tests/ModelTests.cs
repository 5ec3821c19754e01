using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The model of the application for each kind of instance: what runs, wired to what.</summary>
public sealed class ModelTests
{
    private static readonly string[] InstanceCommandNames = ["Drain", "Undrain", "Preload model…", "Unload model…"];

    [Fact]
    public async Task Container_ThreeInstances_WholeModel()
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

        // One owner pulls, the others wait for it.
        Assert.Equal("deepseek-r1:7b", builder.Get<OllamaModelResource>("model-deepseek-r1-7b").ModelName);
        Assert.Equal("nomic-embed-text:latest", builder.Get<OllamaModelResource>("model-nomic-embed-text").ModelName);
        Assert.All(builder.Resources.OfType<OllamaModelResource>(), m => Assert.Equal("ollama-1", m.Parent.Name));
        Assert.DoesNotContain(builder.Waits("ollama-1"), w => w.StartsWith("model-", StringComparison.Ordinal));
        foreach (var other in new[] { "ollama-2", "ollama-3" })
            Assert.Superset(new HashSet<string> { "model-deepseek-r1-7b", "model-nomic-embed-text" }, builder.Waits(other).ToHashSet());

        Assert.Superset(new HashSet<string> { "state", "ollama-1" }, builder.Waits("bridge").ToHashSet());
        Assert.DoesNotContain("ollama-2", builder.Waits("bridge"));
        Assert.Contains("Send a test prompt", builder.Commands("bridge"));
        Assert.NotEmpty(builder.Get<IResource>("bridge").Annotations.OfType<HealthCheckAnnotation>());
    }

    [Fact]
    public async Task Bridge_ThreeInstances_ToldByReference()
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
    public async Task Bridge_LinksAndLogLine_SayWhereEverythingIs()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithInstances(1);
        var log = new LogLines();
        builder.Services.AddSingleton<ILoggerProvider>(log);
        await using var app = builder.Build();

        var links = await builder.LinksAsync("bridge", 11400);
        await builder.Eventing.PublishAsync(new ResourceEndpointsAllocatedEvent(bridge.Resource, app.Services), TestContext.Current.CancellationToken);

        foreach (var link in new[] { "Fleet page http://localhost:11400/bridge/", "Admin: OpenAPI http://localhost:11400/bridge/openapi.json", "Metrics http://localhost:11400/metrics" })
            Assert.Contains(link, links);
        var line = Assert.Single(log.Lines, l => l.StartsWith("bridge: ", StringComparison.Ordinal));
        foreach (var address in new[] { "http://localhost:11400 ", "http://localhost:11400/v1 ", "/bridge/,", "/bridge/openapi.json,", "/metrics" })
            Assert.Contains(address, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Container_Amd_RocmImageAndOneVisibleDevice()
    {
        var (builder, bridge) = Apps.With(new FakeHost("docker", AmdGpus: 2));
        bridge.WithInstances(2);
        await using var app = builder.Build();

        await builder.Eventing.PublishAsync(new BeforeStartEvent(app.Services, new DistributedApplicationModel(builder.Resources)), TestContext.Current.CancellationToken);

        Assert.EndsWith("-rocm", builder.Image("ollama-2"), StringComparison.Ordinal);
        Assert.Equal(["--device", "/dev/kfd", "--device", "/dev/dri"], await builder.RuntimeArgumentsAsync("ollama-2"));
        Assert.Equal("1", (await builder.EnvironmentAsync("ollama-2"))["ROCR_VISIBLE_DEVICES"]);
    }

    [Fact]
    public async Task Container_Podman_DeviceByItsInterfaceName()
    {
        var (builder, bridge) = Apps.With(new FakeHost("podman", NvidiaGpus: 2));
        bridge.WithInstances(2);

        Assert.Equal(["--device", "nvidia.com/gpu=1"], await builder.RuntimeArgumentsAsync("ollama-2"));
    }

    [Fact]
    public async Task Executable_Instances_OwnPortsTemporaryFoldersAndGpus()
    {
        var (builder, bridge) = Apps.With(new FakeHost(null, NvidiaGpus: 1, Programs: ["ollama"]));
        bridge.WithInstances(2).WithModel("deepseek-r1:7b").WithServer(new ServerSettings { Parallel = 2 });

        var first = await builder.EnvironmentAsync("ollama-1");
        var second = await builder.EnvironmentAsync("ollama-2");
        Assert.Equal("1", first["OLLAMA_NOPRUNE"]);
        Assert.Equal("2", second["OLLAMA_NUM_PARALLEL"]);
        Assert.Equal("0", second["CUDA_VISIBLE_DEVICES"]);
        var temporary = OperatingSystem.IsWindows() ? "TMP" : "TMPDIR";
        Assert.NotEqual(first[temporary], second[temporary]);
        Assert.All(builder.Resources.OfType<OllamaExecutableResource>(), o =>
        {
            Assert.Equal("ollama", o.Command);
            Assert.Null(Assert.Single(o.Annotations.OfType<EndpointAnnotation>()).TargetPort);
        });
        Assert.Contains("model-deepseek-r1-7b", builder.Waits("ollama-2"));
        Assert.Equal(InstanceCommandNames, builder.Commands("ollama-2").Intersect(InstanceCommandNames));
    }

    [Fact]
    public async Task Simulator_Instances_HaveTheModelsAndPullNone()
    {
        await using var builder = await Apps.OwnAsync("--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Instances=2", "--Fleet:Models=a:1,b");

        Assert.Equal(2, builder.Resources.OfType<SimulatedOllamaResource>().Count());
        Assert.Empty(builder.Resources.OfType<OllamaModelResource>());
        var arguments = await builder.ArgumentsAsync("ollama-2");
        Assert.Equal("--port {ollama-2.bindings.http.targetPort} --models a:1,b:latest --slots 4", string.Join(' ', arguments));
        Assert.Equal("10m", (await builder.EnvironmentAsync("ollama-1"))["OLLAMA_KEEP_ALIVE"]);
        Assert.Equal(InstanceCommandNames, builder.Commands("ollama-2").Intersect(InstanceCommandNames));
        Assert.NotEmpty(builder.Get<IResource>("ollama-1").Annotations.OfType<HealthCheckAnnotation>());
        Assert.Contains("ollama-1", builder.Waits("bridge"));
    }

    [Fact]
    public async Task External_Urls_BecomeTheInstances()
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
    public async Task Tier_Cold_OwnSettingsAndStartedByHand()
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
        Assert.Equal("ollama-1", builder.Get<OllamaModelResource>("model-deepseek-r1-70b").Parent.Name);
        Assert.Equal("1", (await builder.EnvironmentAsync("bridge"))["Bridge__Instances__1__Slots"]);
    }

    [Fact]
    public async Task Builder_OrderOfCalls_DoesNotMatter()
    {
        var (late, lateBridge) = Apps.With(new FakeHost("docker", NvidiaGpus: 2));
        var (early, earlyBridge) = Apps.With(new FakeHost("docker", NvidiaGpus: 2));
        lateBridge.WithInstances(2).WithModel("a:1").WithServer(new ServerSettings { Parallel = 9 }).WithGpus(GpuVendor.Nvidia, "1").WithLimits(new LimitSettings { Cpus = 2 });
        earlyBridge.WithModel("a:1").WithLimits(new LimitSettings { Cpus = 2 }).WithGpus(GpuVendor.Nvidia, "1").WithServer(new ServerSettings { Parallel = 9 }).WithInstances(2);

        foreach (var name in new[] { "ollama-1", "ollama-2" })
        {
            Assert.Equal(await early.EnvironmentAsync(name), await late.EnvironmentAsync(name));
            Assert.Equal(await early.RuntimeArgumentsAsync(name), await late.RuntimeArgumentsAsync(name));
            Assert.Equal(early.Waits(name).Order(), late.Waits(name).Order());
        }

        Assert.Equal(await early.EnvironmentAsync("bridge"), await late.EnvironmentAsync("bridge"));
        Assert.Equal(["--cpus=2", "--gpus", "device=1"], await late.RuntimeArgumentsAsync("ollama-2"));
    }

    [Fact]
    public void Builder_BackendAfterInstances_Refused()
    {
        var (_, bridge) = Apps.With(new FakeHost());
        bridge.WithInstances(1);

        Assert.Throws<InvalidOperationException>(() => bridge.WithBackend(FleetBackend.Container));
        Assert.Throws<InvalidOperationException>(() => bridge.WithExternalUrls("http://a:1"));
        Assert.Throws<InvalidOperationException>(() => bridge.WithTier("x", new()).WithTier("x", new()));
    }
}
