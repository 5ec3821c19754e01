using System.Security.Cryptography;
using System.Text;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>A job that pulls the models once, through one server, into the folder that all of them share.</summary>
internal sealed class ModelJob() : BaseKubernetesResource("batch/v1", "Job")
{
    private const string Component = "app.kubernetes.io/component";

    // Waits for a server, and leaves alone what is there, so that a second run needs no registry.
    private const string Script =
        "until ollama list > /dev/null 2>&1; do sleep 2; done; "
        + "for model in $MODELS; do ollama show \"$model\" > /dev/null 2>&1 || ollama pull \"$model\" || exit 1; done";

    /// <summary>What it does.</summary>
    public JobSpec Spec { get; } = new();

    /// <summary>The job of a fleet.</summary>
    /// <param name="service">The servers that pull.</param>
    /// <param name="instance">The same in the application's model.</param>
    /// <param name="models">The models, with their tags.</param>
    public static ModelJob Create(KubernetesResource service, BridgeInstance instance, IReadOnlyList<string> models)
    {
        var server = service.Workload!.PodTemplate.Spec.Containers[0];
        var list = string.Join(' ', models);
        var job = new ModelJob { Metadata = { Name = $"{instance.Name}-models-{Hash($"{server.Image} {list}")}" } };
        var pod = job.Spec.Template;
        pod.Metadata.Labels = service.Service!.Spec.Selector.ToDictionary();
        // Not one of the servers: their Service must not lead here.
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

    // A job cannot be changed: with other models it is another one.
    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
}

/// <summary>What a job does.</summary>
internal sealed class JobSpec
{
    /// <summary>How often it is tried anew: a registry may be out of reach for a while.</summary>
    public int BackoffLimit { get; } = 10;

    /// <summary>Its pod.</summary>
    public PodTemplateSpecV1 Template { get; } = new();
}
