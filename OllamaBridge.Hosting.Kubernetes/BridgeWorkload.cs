using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>The bridge as a Deployment whose rolling update loses no request.</summary>
internal static class BridgeWorkload
{
    // The gateway's default (Bridge:Shutdown:GracePeriod) and the further 10 s that it needs.
    private const int GraceSeconds = 70;
    private const string Temporary = "tmp";

    /// <summary>Completes the publisher's objects.</summary>
    public static void Complete(KubernetesResource service, IOllamaBridgeResource bridge, BridgeKubernetesOptions settings)
    {
        if (service is not { Workload: { } workload, Service: not null })
            throw new DistributedApplicationException($"'{bridge.Name}' was not published as a workload with a Service.");
        // The publisher treats every resource with a connection string as stateful.
        service.Workload = DeploymentOf(workload, settings.Bridges);

        var pod = workload.PodTemplate.Spec;
        pod.TerminationGracePeriodSeconds = GraceSeconds;
        pod.AutomountServiceAccountToken = false;
        pod.EnableServiceLinks = false;
        pod.SecurityContext = new PodSecurityContextV1 { RunAsNonRoot = true, SeccompProfile = new SeccompProfileV1 { Type = "RuntimeDefault" } };
        pod.Volumes.Add(new VolumeV1 { Name = Temporary, EmptyDir = new EmptyDirVolumeSourceV1() });
        var container = pod.Containers[0];
        container.VolumeMounts.Add(new VolumeMountV1 { Name = Temporary, MountPath = "/tmp" });
        container.SecurityContext = new SecurityContextV1
        {
            AllowPrivilegeEscalation = false, ReadOnlyRootFilesystem = true, Capabilities = new CapabilitiesV1 { Drop = { "ALL" } },
        };
        ShareSecrets(service, bridge);
        ColdTiers.Complete(service, bridge, pod);
    }

    private static Deployment DeploymentOf(Workload workload, int replicas) => new()
    {
        Metadata = { Name = $"{workload.Metadata.Name.Split("-statefulset")[0]}-deployment", Labels = workload.Metadata.Labels.ToDictionary() },
        Spec =
        {
            Replicas = replicas,
            Selector = new LabelSelectorV1(workload.Metadata.Labels.ToDictionary()),
            Template = workload.PodTemplate,
            Strategy = { RollingUpdate = { MaxSurge = 1, MaxUnavailable = 0 } },
        },
    };

    /// <summary>Reads the store's password from the store's own values, so that both have the same one, and requires every secret.</summary>
    private static void ShareSecrets(KubernetesResource service, IOllamaBridgeResource bridge)
    {
        if (service.Secret is not { } secret)
            return;
        foreach (var (key, value) in secret.StringData.ToArray())
            secret.StringData[key] = HelmValues.Required(bridge.Fleet.State is { } state && key.StartsWith("ConnectionStrings__", StringComparison.Ordinal)
                ? value.Replace(HelmValues.SecretsOf(bridge.Name), HelmValues.SecretsOf(state.Name), StringComparison.Ordinal)
                : value);
    }
}
