using Aspire.Hosting;
using OllamaBridge.AppHost;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The choice for <c>Auto</c> on different machines, with its reason.</summary>
public sealed class ChoicesTests
{
    public static TheoryData<FleetBackend, bool, bool, string?, string, FleetBackend> Backends => new()
    {
        { FleetBackend.Auto, false, false, "docker", "ollama", FleetBackend.Container },
        { FleetBackend.Auto, false, false, null, "ollama", FleetBackend.Executable },
        { FleetBackend.Auto, false, false, null, "", FleetBackend.Simulator },
        { FleetBackend.Auto, false, true, "docker", "ollama", FleetBackend.External },
        { FleetBackend.Simulator, false, false, "docker", "ollama", FleetBackend.Simulator },
        { FleetBackend.Container, false, false, null, "", FleetBackend.Container },
        { FleetBackend.Auto, true, false, null, "", FleetBackend.Container },
        { FleetBackend.Simulator, true, false, null, "", FleetBackend.Container },
        { FleetBackend.External, true, true, null, "", FleetBackend.External },
    };

    [Theory]
    [MemberData(nameof(Backends))]
    public void Backend_Machine_SelectsBackend(FleetBackend wanted, bool publish, bool urls, string? runtime, string program, FleetBackend expected)
    {
        var choice = BackendChoice.Of(wanted, publish, urls, hasContainers: true, new FakeHost(runtime, 0, 0, program));

        Assert.Equal(expected, choice.Value);
        Assert.NotEmpty(choice.Reason);
    }

    [Theory]
    [InlineData("ollama", FleetBackend.Executable)]
    [InlineData("", FleetBackend.Simulator)]
    public void Backend_BuildWithoutContainers_SelectsOtherBackendWithReason(string program, FleetBackend expected)
    {
        var choice = BackendChoice.Of(FleetBackend.Auto, publish: false, hasUrls: false, hasContainers: false, new FakeHost("docker", 0, 0, program));

        Assert.Equal(expected, choice.Value);
        Assert.Contains("CommunityToolkit.Aspire.Hosting.Ollama", choice.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(BridgeStateBackend.Auto, false, "podman", "redis-server", BridgeStateBackend.Container)]
    [InlineData(BridgeStateBackend.Auto, false, null, "redis-server", BridgeStateBackend.Executable)]
    [InlineData(BridgeStateBackend.Auto, false, null, "", BridgeStateBackend.Embedded)]
    [InlineData(BridgeStateBackend.Embedded, false, "docker", "redis-server", BridgeStateBackend.Embedded)]
    [InlineData(BridgeStateBackend.Embedded, true, null, "", BridgeStateBackend.Container)]
    public void State_Machine_SelectsBackend(BridgeStateBackend wanted, bool publish, string? runtime, string program, BridgeStateBackend expected) =>
        Assert.Equal(expected, Choices.State(wanted, publish, new FakeHost(runtime, 0, 0, program)).Value);

    [Fact]
    public void Gpus_AutoWithTwoNvidia_AssignsRoundRobin()
    {
        var plan = Choices.Gpus(new BridgeGpuOptions(), publish: false, new FakeHost("docker", NvidiaGpus: 2)).Value;

        Assert.Equal(["0", "1", "0"], Enumerable.Range(0, 3).Select(plan.DeviceOf));
        Assert.Equal(["--gpus", "device=1"], plan.RuntimeArguments("docker", 1));
        Assert.Equal(["--device", "nvidia.com/gpu=1"], plan.RuntimeArguments("podman", 1));
        Assert.Null(plan.EnvironmentOf(1, isContainer: true));
        Assert.Equal(new("CUDA_VISIBLE_DEVICES", "1"), plan.EnvironmentOf(1, isContainer: false));
    }

    [Fact]
    public void Gpus_AutoWithAmd_PassesDriverNodesAndOneVisibleDevice()
    {
        var plan = Choices.Gpus(new BridgeGpuOptions(), publish: false, new FakeHost("docker", AmdGpus: 4)).Value;

        Assert.Equal(BridgeGpuVendor.Amd, plan.Vendor);
        Assert.Equal(["--device", "/dev/kfd", "--device", "/dev/dri"], plan.RuntimeArguments("docker", 3));
        Assert.Equal(new("ROCR_VISIBLE_DEVICES", "3"), plan.EnvironmentOf(3, isContainer: true));
    }

    [Fact]
    public void Gpus_DevicesConfigured_UsedInOrder()
    {
        var plan = Choices.Gpus(
            new BridgeGpuOptions { Vendor = BridgeGpuVendor.Nvidia, Devices = ["3", "GPU-ab"] }, publish: false, new FakeHost("docker", NvidiaGpus: 8)).Value;

        Assert.Equal(["3", "GPU-ab"], plan.Devices);
    }

    [Fact]
    public void Gpus_None_NoArguments()
    {
        var plan = Choices.Gpus(new BridgeGpuOptions(), publish: false, new FakeHost("docker")).Value;

        Assert.Equal(BridgeGpuVendor.None, plan.Vendor);
        Assert.Empty(plan.RuntimeArguments("docker", 0));
        Assert.Null(plan.EnvironmentOf(0, isContainer: false));
    }

    [Fact]
    public void Gpus_AutoWhenPublishing_IndependentOfMachine() =>
        Assert.Same(GpuPlan.None, Choices.Gpus(new BridgeGpuOptions(), publish: true, new FakeHost("docker", NvidiaGpus: 2)).Value);

    [Theory]
    [InlineData("deepseek-r1", "deepseek-r1:latest", "model-deepseek-r1")]
    [InlineData("deepseek-r1:7b", "deepseek-r1:7b", "model-deepseek-r1-7b")]
    [InlineData("registry:5000/team/Model_X", "registry:5000/team/Model_X:latest", "model-registry-5000-team-model-x")]
    [InlineData("hf.co/org/repo-GGUF:Q4_K_M", "hf.co/org/repo-GGUF:Q4_K_M", "model-hf-co-org-repo-gguf-q4-k-m")]
    public void Names_Model_HasTagAndResourceName(string model, string tagged, string resource)
    {
        Assert.Equal(tagged, Names.WithTag(model));
        Assert.Equal(resource, Names.ForModel("model", Names.WithTag(model), _ => false));
        Assert.Equal($"{resource}-2", Names.ForModel("model", Names.WithTag(model), n => n == resource));
    }
}
