namespace OllamaBridge.Hosting;

/// <summary>What a Helm chart says of the application that a manifest cannot.</summary>
public sealed record KubernetesSettings
{
    /// <summary>How many bridges. 1 to 64.</summary>
    public int Bridges { get; init; } = 2;

    /// <summary>Room for the models of all instances, as Kubernetes writes amounts.</summary>
    public string ModelStorage { get; init; } = "100Gi";

    /// <summary>The storage class of that room, whose volumes several nodes can write (<c>ReadWriteMany</c>); null for the cluster's default.</summary>
    public string? ModelStorageClass { get; init; }

    /// <summary>Room for what bridges share.</summary>
    public string StateStorage { get; init; } = "1Gi";
}
