using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Creates instances from Ollama's image: one shared model volume, a GPU for each container.</summary>
internal static class ContainerInstances
{
    /// <summary>The volume with the models of all instances.</summary>
    public const string ModelVolume = "ollama-models";

    private const string RocmSuffix = "-rocm";

    public static BridgeInstance Add(IResourceBuilder<IOllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        var builder = bridge.ApplicationBuilder;
        var publish = builder.ExecutionContext.IsPublishMode;
        var host = bridge.Resource.Fleet.Host;
        // Read once, when the container starts or is published.
        var gpus = new Lazy<GpuPlan>(() => Choices.Gpus(tier.Gpus, publish, host).Value);

        var ollama = builder.AddOllama(name)
            .WithDataVolume(ModelVolume)
            .WithIconName("BrainCircuit")
            // A busy server responds late. It is restarted only after minutes without a response. The toolkit checks the same path in run mode.
            .WithProbes(startup: new("/", 2, 60), readiness: new("/", 5, 3), liveness: new("/", 20, 6))
            .WithParentRelationship(bridge)
            .WithEnvironment(context => InstanceEnvironment.Write(context, tier, gpus.Value.EnvironmentOf(index, isContainer: true)))
            .WithContainerRuntimeArgs(context =>
            {
                foreach (var argument in LimitArguments(tier.Limits).Concat(gpus.Value.RuntimeArguments(host.ContainerRuntime, index)))
                    context.Args.Add(argument);
            });
        if (publish)
        {
            ollama.WithEndpoint(BridgeModel.HttpEndpoint, endpoint => endpoint.Port = endpoint.TargetPort);
            return new BridgeInstance(name, tier, ollama, ollama.Resource.PrimaryEndpoint, $"http://{name}", Replicated: true);
        }

        builder.OnBeforeStart((started, _) =>
        {
            UseRocmImage(ollama.Resource, gpus.Value);
            if (index == 0)
                GpuLog.Write(started.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(ContainerInstances).Namespace!), bridge.Resource.Fleet);
            return Task.CompletedTask;
        });
        return new BridgeInstance(name, tier, ollama, ollama.Resource.PrimaryEndpoint, $"http://{name}");
    }

    private static IEnumerable<string> LimitArguments(BridgeLimitOptions limits)
    {
        if (limits.Cpus is { } cpus)
            yield return $"--cpus={cpus.ToString(CultureInfo.InvariantCulture)}";
        if (limits.Memory is { Length: > 0 } memory)
            yield return $"--memory={memory}";
    }

    private static void UseRocmImage(OllamaResource ollama, GpuPlan gpus)
    {
        if (gpus.Vendor == BridgeGpuVendor.Amd
            && ollama.TryGetLastAnnotation<ContainerImageAnnotation>(out var image)
            && image.Tag?.EndsWith(RocmSuffix, StringComparison.Ordinal) == false)
            image.Tag += RocmSuffix;
    }
}
