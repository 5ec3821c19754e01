namespace Aspire.Hosting;

/// <summary>Settings of a Helm chart that a manifest cannot express; see <c>OllamaBridge.Hosting.Kubernetes</c>.</summary>
public sealed record BridgeKubernetesOptions
{
    /// <summary>The number of gateways. 1 to 64.</summary>
    public int Bridges { get; init; } = 2;

    /// <summary>Storage for the models of all instances, as a Kubernetes quantity.</summary>
    public string ModelStorage { get; init; } = "100Gi";

    /// <summary>The storage class of the models, whose volumes several nodes can write (<c>ReadWriteMany</c>); null for the cluster's default.</summary>
    public string? ModelStorageClass { get; init; }

    /// <summary>Storage for the state that bridges share.</summary>
    public string StateStorage { get; init; } = "1Gi";
}
