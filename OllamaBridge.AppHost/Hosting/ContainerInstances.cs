using System.Globalization;

namespace OllamaBridge.Hosting;

/// <summary>Ollama's image over one shared volume, each container with its own GPU.</summary>
internal sealed class ContainerInstances : IInstanceBackend
{
    /// <summary>The volume with the models of all instances.</summary>
    public const string ModelVolume = "ollama-models";

    private const string RocmSuffix = "-rocm";

    /// <inheritdoc/>
    public bool PullsModels => true;

    /// <inheritdoc/>
    public BridgeInstance Add(IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        var builder = bridge.ApplicationBuilder;
        var publish = builder.ExecutionContext.IsPublishMode;
        var host = bridge.Resource.Host;
        // Asked once, when the container is about to start or to be written down.
        var gpus = new Lazy<GpuPlan>(() => Choices.Gpus(tier.Gpus, publish, host).Value);

        var ollama = builder.AddOllama(name)
            .WithDataVolume(ModelVolume)
            .WithEnvironment(context => InstanceBackends.Configure(context, tier, gpus.Value.EnvironmentOf(index, isContainer: true)))
            .WithContainerRuntimeArgs(context =>
            {
                foreach (var argument in LimitArguments(tier.Limits).Concat(gpus.Value.RuntimeArguments(host.ContainerRuntime, index)))
                    context.Args.Add(argument);
            });
        if (!publish)
            builder.OnBeforeStart((_, _) => UseRocmImage(ollama.Resource, gpus.Value));
        if (publish)
            ollama.WithEndpoint("http", endpoint => endpoint.Port = endpoint.TargetPort);
        return new BridgeInstance(name, tier, ollama, ollama.Resource.PrimaryEndpoint, $"http://{name}", Replicated: publish);
    }

    private static IEnumerable<string> LimitArguments(LimitSettings limits)
    {
        if (limits.Cpus is { } cpus)
            yield return $"--cpus={cpus.ToString(CultureInfo.InvariantCulture)}";
        if (limits.Memory is { Length: > 0 } memory)
            yield return $"--memory={memory}";
    }

    private static Task UseRocmImage(OllamaResource ollama, GpuPlan gpus)
    {
        if (gpus.Vendor == GpuVendor.Amd
            && ollama.TryGetLastAnnotation<ContainerImageAnnotation>(out var image)
            && image.Tag?.EndsWith(RocmSuffix, StringComparison.Ordinal) == false)
            image.Tag += RocmSuffix;
        return Task.CompletedTask;
    }
}
