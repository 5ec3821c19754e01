using System.Globalization;
using k8s.Models;

namespace OllamaBridge.Testing.Kubernetes;

/// <summary>Creates EndpointSlices as the control plane does.</summary>
internal static class Slices
{
    public static string Collection(string space = "ai") => $"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices";

    public static V1EndpointSlice Slice(string name, string service, int? port, params V1Endpoint[] endpoints) => new()
    {
        ApiVersion = "discovery.k8s.io/v1",
        Kind = "EndpointSlice",
        AddressType = endpoints.Any(e => e.Addresses[0].Contains(':', StringComparison.Ordinal)) ? "IPv6" : "IPv4",
        Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["kubernetes.io/service-name"] = service } },
        Endpoints = endpoints,
        Ports = port is null ? null : [new Discoveryv1EndpointPort { Name = "http", Port = port, Protocol = "TCP" }],
    };

    /// <summary>
    /// An endpoint for a pod. <paramref name="leaving"/>: null if it is not terminating, true if it is terminating and still serving, false if it is
    /// terminating and not serving.
    /// </summary>
    public static V1Endpoint Pod(string name, string address, bool ready = true, bool? leaving = null, string? uid = null) => new()
    {
        Addresses = [address],
        Conditions = new V1EndpointConditions { Ready = ready && leaving is null, Serving = leaving ?? ready, Terminating = leaving is not null },
        TargetRef = new V1ObjectReference { Kind = "Pod", Name = name, NamespaceProperty = "ai", Uid = uid ?? $"uid-{name}" },
    };

    /// <summary>A pod in its own slice. All pods of a test have one address, so each needs its own port.</summary>
    public static V1EndpointSlice Alone(string service, string pod, Uri at, bool? leaving = null, string? uid = null) => Slice(
        string.Create(CultureInfo.InvariantCulture, $"{service}-{pod}"), service, at.Port, Pod(pod, at.Host, leaving: leaving, uid: uid));
}
