using System.Security.Cryptography;
using System.Text;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>A job that pulls the models once, through one server, into the folder that all servers share.</summary>
internal sealed class ModelJob() : BaseKubernetesResource("batch/v1", "Job")
{
    private const string Component = "app.kubernetes.io/component";

    // Waits for a server and skips models that exist, so that a second run needs no registry.
    private const string Script =
        "until ollama list > /dev/null 2>&1; do sleep 2; done; "
        + "for model in $MODELS; do ollama show \"$model\" > /dev/null 2>&1 || ollama pull \"$model\" || exit 1; done";

    /// <summary>The job's specification.</summary>
    public JobSpec Spec { get; } = new();

    /// <summary>Creates the job of a fleet.</summary>
    /// <param name="service">The publisher's objects of the servers that pull.</param>
    /// <param name="instance">The servers in the application model.</param>
    /// <param name="models">The models, with their tags.</param>
    public static ModelJob Create(KubernetesResource service, BridgeInstance instance, IReadOnlyList<string> models)
    {
        var server = service.Workload!.PodTemplate.Spec.Containers[0];
        var list = string.Join(' ', models);
        var job = new ModelJob { Metadata = { Name = $"{instance.Name}-models-{Hash($"{server.Image} {list}")}" } };
        var pod = job.Spec.Template;
        pod.Metadata.Labels = service.Service!.Spec.Selector.ToDictionary();
        // The servers' Service must not select this pod.
        pod.Metadata.Labels[Component] = $"{instance.Name}-models";
        pod.Spec.RestartPolicy = "OnFailure";
        pod.Spec.AutomountServiceAccountToken = false;
        pod.Spec.EnableServiceLinks = false;
        pod.Spec.Containers.Add(new ContainerV1
        {
            Name = "models",
            Image = server.Image,
            Command = { "/bin/sh", "-c" },
            Args = { Script },
            Env =
            {
                new EnvVarV1 { Name = "OLLAMA_HOST", Value = $"http://{service.Service.Metadata.Name}:{service.Service.Spec.Ports[0].Port.Value}" },
                new EnvVarV1 { Name = "MODELS", Value = list },
            },
        });
        return job;
    }

    // A job is immutable, so other models need another job.
    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
}

internal sealed class JobSpec
{
    /// <summary>The number of retries: a registry may be unreachable for a while.</summary>
    public int BackoffLimit { get; } = 10;

    /// <summary>The pod.</summary>
    public PodTemplateSpecV1 Template { get; } = new();
}
