using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Pipelines;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Publishes the application as a Helm chart through Aspire's Kubernetes publisher.</summary>
public static class BridgeHelmChartExtensions
{
    private const string EnvironmentName = "kubernetes";
    private const string ManifestStep = "publish-manifest";

    /// <summary>Adds the parts that a manifest cannot express: volume claims, replicas, GPUs and the job that pulls models. No effect in run mode.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="options">Replicas and storage; null for the defaults.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithHelmChart(
        this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeKubernetesOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        var builder = bridge.ApplicationBuilder;
        // With a Kubernetes environment the manifest would name deployment targets that its readers do not have.
        if (builder.ExecutionContext.IsRunMode || builder.Configuration["Pipeline:Step"] == ManifestStep)
            return bridge;

        var settings = options ?? new BridgeKubernetesOptions();
        var kubernetes = builder.AddKubernetesEnvironment(EnvironmentName)
            // Aspire's dashboard is anonymous and keeps everything in memory; clusters have Prometheus and an OTLP collector.
            .WithDashboard(false)
            .WithHelm(
                chart => chart.WithChartName("ollamabridge").WithChartVersion(Programs.Version)
                    .WithChartDescription("One Ollama address in front of many Ollama servers"));

        bridge.PublishAsKubernetesService(service => BridgeWorkload.Complete(service, bridge.Resource, settings));
        bridge.Resource.Fleet.ForState(state => AddState(builder, state, kubernetes, settings));
        AddInstances(bridge, kubernetes, settings);
        builder.Pipeline.AddStep(
            "complete-helm-values",
            context => HelmValues.CompleteAsync(
                context.Services.GetRequiredService<IPipelineOutputService>().GetOutputDirectory(), bridge.Resource, context.CancellationToken),
            dependsOn: $"publish-{EnvironmentName}",
            requiredBy: WellKnownPipelineSteps.Publish);
        return bridge;
    }

    private static void AddState(
        IDistributedApplicationBuilder builder, IResource state, IResourceBuilder<KubernetesEnvironmentResource> kubernetes, BridgeKubernetesOptions settings)
    {
        if (state is not ContainerResource redis)
            return;
        var container = builder.CreateResourceBuilder(redis);
        container.PublishAsKubernetesService(StateWorkload.Complete);
        if (VolumeOf(redis) is { } volume)
            container.WithPersistentVolume(kubernetes.AddPersistentVolume(volume)
                .WithCapacity(settings.StateStorage).WithAccessMode(PersistentVolumeAccessMode.ReadWriteOnce));
    }

    /// <summary>One claim for the instances of all tiers, because each model is pulled once.</summary>
    private static void AddInstances(
        IResourceBuilder<IOllamaBridgeResource> bridge, IResourceBuilder<KubernetesEnvironmentResource> kubernetes, BridgeKubernetesOptions settings)
    {
        IResourceBuilder<KubernetesPersistentVolumeResource>? models = null;
        var fleet = bridge.Resource.Fleet;
        fleet.ForEachInstance(instance =>
        {
            if (instance.Resource.Resource is not ContainerResource container || VolumeOf(container) is not { } volume)
                return;
            if (models is null)
            {
                models = kubernetes.AddPersistentVolume(volume).WithCapacity(settings.ModelStorage).WithAccessMode(PersistentVolumeAccessMode.ReadWriteMany);
                if (settings.ModelStorageClass is { Length: > 0 } storage)
                    models.WithStorageClass(storage);
            }

            bridge.ApplicationBuilder.CreateResourceBuilder(container)
                .WithPersistentVolume(models)
                .PublishAsKubernetesService(service =>
                {
                    InstanceWorkload.Complete(service, instance);
                    if (instance == fleet.Instances[0] && fleet.Models.Count > 0)
                        service.AdditionalResources.Add(ModelJob.Create(service, instance, fleet.Models));
                });
        });
    }

    private static string? VolumeOf(IResource resource) =>
        resource.Annotations.OfType<ContainerMountAnnotation>().FirstOrDefault(m => m.Type == ContainerMountType.Volume)?.Source;
}
