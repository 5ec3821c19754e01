using System.Globalization;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>The servers of a tier as a StatefulSet behind a headless Service.</summary>
internal static class InstanceWorkload
{
    private const string Nvidia = "nvidia.com/gpu";
    private const string Amd = "amd.com/gpu";
    private const string RocmSuffix = "-rocm";

    // A server that begins is at work soon; what takes long is loading a model, and that is a request.
    private const int StartPeriod = 2;
    private const int StartFailures = 60;
    private const int ReadyPeriod = 5;
    private const int AlivePeriod = 20;
    private const int AliveFailures = 6;
    private const int ProbeTimeout = 5;

    // Longer than an answer takes as a rule: it is written to its end before the server stops.
    private const int GraceSeconds = 120;

    /// <summary>Completes what the publisher wrote.</summary>
    public static void Complete(KubernetesResource service, BridgeInstance instance)
    {
        if (service is not { Workload: StatefulSet set, Service: { } network })
            throw new DistributedApplicationException($"'{instance.Name}' was not published as a StatefulSet with a Service.");
        // Each address behind the name is an instance (Discovery: Dns), so there must not be one in front of all.
        network.Spec.ClusterIp = "None";
        set.Spec.ServiceName = network.Metadata.Name;
        // None of them is before another one.
        set.Spec.PodManagementPolicy = "Parallel";
        // What somebody starts when it is wanted begins with none.
        set.Spec.Replicas = instance.Tier.Settings.ExplicitStart ? 0 : instance.Tier.Count;

        var pod = set.Spec.Template.Spec;
        pod.TerminationGracePeriodSeconds = GraceSeconds;
        pod.AutomountServiceAccountToken = false;
        // Variables for each Service of the namespace would be read as settings: OLLAMA_PORT is one.
        pod.EnableServiceLinks = false;
        var container = pod.Containers[0];
        container.Resources = ResourcesOf(instance.Tier);
        if (instance.Tier.Gpus.Vendor == GpuVendor.Amd && !container.Image.EndsWith(RocmSuffix, StringComparison.Ordinal))
            container.Image += RocmSuffix;
        var port = network.Spec.Ports[0].TargetPort;
        container.StartupProbe = Probe(port, StartPeriod, StartFailures);
        container.ReadinessProbe = Probe(port, ReadyPeriod, failures: 3);
        // A busy server answers late; only one that says nothing for minutes is started anew.
        container.LivenessProbe = Probe(port, AlivePeriod, AliveFailures);
    }

    /// <summary>One GPU for each, and the tier's limits. What is published does not depend on the machine: without a word about GPUs they are NVIDIA's.</summary>
    public static ResourceRequirementsV1 ResourcesOf(InstanceTier tier)
    {
        var resources = new ResourceRequirementsV1();
        if (tier.Gpus.Vendor != GpuVendor.None)
            resources.Limits[tier.Gpus.Vendor == GpuVendor.Amd ? Amd : Nvidia] = "1";
        if (tier.Limits.Cpus is { } cpus)
            resources.Limits["cpu"] = cpus.ToString(CultureInfo.InvariantCulture);
        if (tier.Limits.Memory is { Length: > 0 } memory)
            resources.Limits["memory"] = QuantityOf(memory);
        return resources;
    }

    /// <summary>A container runtime's <c>16g</c> in Kubernetes' words, <c>16Gi</c>: both count in powers of 1024.</summary>
    public static string QuantityOf(string memory) => char.ToLowerInvariant(memory[^1]) switch
    {
        'b' => memory[..^1],
        'k' => $"{memory[..^1]}Ki",
        'm' => $"{memory[..^1]}Mi",
        'g' => $"{memory[..^1]}Gi",
        _ => memory,
    };

    private static ProbeV1 Probe(Int32OrStringV1 port, int period, int failures) => new()
    {
        HttpGet = new HttpGetActionV1 { Path = "/", Port = port },
        PeriodSeconds = period,
        TimeoutSeconds = ProbeTimeout,
        FailureThreshold = failures,
    };
}
