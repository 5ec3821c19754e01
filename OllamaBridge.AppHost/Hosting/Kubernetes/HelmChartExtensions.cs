using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Pipelines;
using Microsoft.Extensions.DependencyInjection;

namespace OllamaBridge.Hosting;

/// <summary>Lets the application be published as a Helm chart by Aspire's own publisher, besides the manifest.</summary>
public static class HelmChartExtensions
{
    private const string Environment = "kubernetes";
    private const string ManifestStep = "publish-manifest";

    /// <summary>Says what the chart has that a manifest does not: claims, replicas, GPUs, probes, the job that pulls the models. When nothing is published it does nothing.</summary>
    /// <param name="bridge">The bridge, with its state and its instances.</param>
    /// <param name="settings">How large it is.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithHelmChart(this IResourceBuilder<OllamaBridgeResource> bridge, KubernetesSettings settings)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(settings);
        var builder = bridge.ApplicationBuilder;
        // With an environment the manifest would name deployment targets that nobody reading it has.
        if (builder.ExecutionContext.IsRunMode || builder.Configuration["Pipeline:Step"] == ManifestStep)
            return bridge;

        var kubernetes = builder.AddKubernetesEnvironment(Environment)
            // Anonymous and in memory: Prometheus and an OTLP collector are what a cluster has.
            .WithDashboard(false)
            .WithHelm(chart => chart.WithChartName("ollamabridge").WithChartVersion(HelmValues.ChartVersion).WithChartDescription("One Ollama address in front of many Ollama servers"));

        bridge.PublishAsKubernetesService(service => BridgeWorkload.Complete(service, bridge.Resource, settings));
        bridge.AddState(kubernetes, settings);
        bridge.AddInstances(kubernetes, settings);
        builder.Pipeline.AddStep(
            "complete-helm-values",
            context => HelmValues.CompleteAsync(context.Services.GetRequiredService<IPipelineOutputService>().GetOutputDirectory(), bridge.Resource.Name, context.CancellationToken),
            dependsOn: $"publish-{Environment}",
            requiredBy: WellKnownPipelineSteps.Publish);
        return bridge;
    }

    private static void AddState(
        this IResourceBuilder<OllamaBridgeResource> bridge, IResourceBuilder<KubernetesEnvironmentResource> kubernetes, KubernetesSettings settings)
    {
        if (bridge.Resource.State is not ContainerResource redis)
            return;
        var state = bridge.ApplicationBuilder.CreateResourceBuilder(redis);
        state.PublishAsKubernetesService(StateWorkload.Complete);
        if (VolumeOf(redis) is { } volume)
            state.WithPersistentVolume(kubernetes.AddPersistentVolume(volume)
                .WithCapacity(settings.StateStorage).WithAccessMode(PersistentVolumeAccessMode.ReadWriteOnce));
    }

    /// <summary>One claim for the instances of all tiers, because a model is pulled once.</summary>
    private static void AddInstances(
        this IResourceBuilder<OllamaBridgeResource> bridge, IResourceBuilder<KubernetesEnvironmentResource> kubernetes, KubernetesSettings settings)
    {
        IResourceBuilder<KubernetesPersistentVolumeResource>? models = null;
        foreach (var instance in bridge.Resource.Instances)
        {
            if (instance.Resource.Resource is not ContainerResource container || VolumeOf(container) is not { } volume)
                continue;
            if (models is null)
            {
                models = kubernetes.AddPersistentVolume(volume).WithCapacity(settings.ModelStorage).WithAccessMode(PersistentVolumeAccessMode.ReadWriteMany);
                if (settings.ModelStorageClass is { Length: > 0 } storage)
                    models.WithStorageClass(storage);
            }

            var pulls = instance == bridge.Resource.Instances[0];
            bridge.ApplicationBuilder.CreateResourceBuilder(container)
                .WithPersistentVolume(models)
                .PublishAsKubernetesService(service =>
                {
                    InstanceWorkload.Complete(service, instance);
                    if (pulls && bridge.Resource.Models.Count > 0)
                        service.AdditionalResources.Add(ModelJob.Create(service, instance, bridge.Resource.Models));
                });
        }
    }

    private static string? VolumeOf(IResource resource) =>
        resource.Annotations.OfType<ContainerMountAnnotation>().FirstOrDefault(m => m.Type == ContainerMountType.Volume)?.Source;
}
