using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>The servers of a tier as a StatefulSet behind a headless Service.</summary>
internal static class InstanceWorkload
{
    private const string Nvidia = "nvidia.com/gpu";
    private const string Amd = "amd.com/gpu";
    private const string RocmSuffix = "-rocm";


    // Longer than most responses, so that they complete before the server stops.
    private const int GraceSeconds = 120;

    /// <summary>Completes the publisher's objects.</summary>
    public static void Complete(KubernetesResource service, BridgeInstance instance)
    {
        if (service is not { Workload: StatefulSet set, Service: { } network })
            throw new DistributedApplicationException($"'{instance.Name}' was not published as a StatefulSet with a Service.");
        // Each address behind the name is an instance (Discovery: Dns); a cluster address would hide them.
        network.Spec.ClusterIp = "None";
        set.Spec.ServiceName = network.Metadata.Name;
        // The order of the pods does not matter.
        set.Spec.PodManagementPolicy = "Parallel";
        // A tier that starts on demand begins with no replicas.
        set.Spec.Replicas = instance.Tier.Options.ExplicitStart ? 0 : instance.Tier.Count;

        var pod = set.Spec.Template.Spec;
        pod.TerminationGracePeriodSeconds = GraceSeconds;
        pod.AutomountServiceAccountToken = false;
        // Ollama would read the variables that Kubernetes sets for each Service (OLLAMA_PORT) as settings.
        pod.EnableServiceLinks = false;
        var container = pod.Containers[0];
        container.Resources = ResourcesOf(instance.Tier);
        if (instance.Tier.Gpus.Vendor == BridgeGpuVendor.Amd && !container.Image.EndsWith(RocmSuffix, StringComparison.Ordinal))
            container.Image += RocmSuffix;
    }

    /// <summary>One GPU for each server, and the tier's limits. NVIDIA is the default: a published application does not depend on the machine that publishes
    /// it.</summary>
    public static ResourceRequirementsV1 ResourcesOf(InstanceTier tier)
    {
        var resources = new ResourceRequirementsV1();
        if (tier.Gpus.Vendor != BridgeGpuVendor.None)
            resources.Limits[tier.Gpus.Vendor == BridgeGpuVendor.Amd ? Amd : Nvidia] = "1";
        if (tier.Limits.Cpus is { } cpus)
            resources.Limits["cpu"] = cpus.ToString(CultureInfo.InvariantCulture);
        if (tier.Limits.Memory is { Length: > 0 } memory)
            resources.Limits["memory"] = QuantityOf(memory);
        return resources;
    }

    /// <summary>A container runtime's <c>16g</c> as a Kubernetes quantity, <c>16Gi</c>: both count in powers of 1024.</summary>
    public static string QuantityOf(string memory) => char.ToLowerInvariant(memory[^1]) switch
    {
        'b' => memory[..^1],
        'k' => $"{memory[..^1]}Ki",
        'm' => $"{memory[..^1]}Mi",
        'g' => $"{memory[..^1]}Gi",
        _ => memory,
    };
}
