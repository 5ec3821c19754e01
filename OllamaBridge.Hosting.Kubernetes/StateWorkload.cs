using Aspire.Hosting;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>Redis as a StatefulSet of one.</summary>
internal static class StateWorkload
{
    private const int Period = 5;

    /// <summary>Completes the publisher's objects.</summary>
    public static void Complete(KubernetesResource service)
    {
        if (service is not { Workload: StatefulSet set, Service: { } network, Secret: { } secret })
            throw new DistributedApplicationException("The state was not published as a StatefulSet with a Service and a Secret.");
        set.Spec.ServiceName = network.Metadata.Name;
        var pod = set.Spec.Template.Spec;
        pod.AutomountServiceAccountToken = false;
        pod.EnableServiceLinks = false;
        pod.Containers[0].ReadinessProbe = new ProbeV1
        {
            TcpSocket = new TcpSocketActionV1 { Port = (int)network.Spec.Ports[0].TargetPort },
            PeriodSeconds = Period,
        };
        foreach (var (key, value) in secret.StringData.ToArray())
            secret.StringData[key] = HelmValues.Required(value);
    }
}
