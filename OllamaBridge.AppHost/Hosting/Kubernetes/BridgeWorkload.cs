using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>The bridge as a Deployment, which loses no request when it is rolled over.</summary>
internal static class BridgeWorkload
{
    // The gateway's own default (Bridge:Shutdown:GracePeriod) and the ten seconds more that it wants.
    private const int GraceSeconds = 70;
    private const int StartFailures = 30;
    private const int Period = 5;
    private const int AliveFailures = 6;
    private const string Temporary = "tmp";

    /// <summary>Completes what the publisher wrote.</summary>
    public static void Complete(KubernetesResource service, OllamaBridgeResource bridge, KubernetesSettings settings)
    {
        if (service is not { Workload: { } workload, Service: { } network })
            throw new DistributedApplicationException($"'{bridge.Name}' was not published as a workload with a Service.");
        // The publisher takes whatever has a connection string for something with data of its own.
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
        var port = network.Spec.Ports[0].TargetPort;
        container.StartupProbe = Probe("/alive", port, StartFailures);
        container.ReadinessProbe = Probe("/health", port, failures: 2);
        container.LivenessProbe = Probe("/alive", port, AliveFailures);
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

    /// <summary>Makes the bridge's connection string take the password from where the state's own Secret takes it: said once, it is the same in both.</summary>
    private static void ShareSecrets(KubernetesResource service, OllamaBridgeResource bridge)
    {
        if (service.Secret is not { } secret || bridge.State is not { } state)
            return;
        foreach (var (key, value) in secret.StringData.ToArray())
            secret.StringData[key] = HelmValues.Required(
                value.Replace(HelmValues.SecretsOf(bridge.Name), HelmValues.SecretsOf(state.Name), StringComparison.Ordinal));
    }

    private static ProbeV1 Probe(string path, Int32OrStringV1 port, int failures) => new()
    {
        HttpGet = new HttpGetActionV1 { Path = path, Port = port },
        PeriodSeconds = Period,
        TimeoutSeconds = Period,
        FailureThreshold = failures,
    };
}
