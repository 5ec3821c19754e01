namespace OllamaBridge.Gateway.Fleet;

/// <summary>Cold tiers by name: section <c>Bridge:Tiers</c>.</summary>
internal sealed class TiersOptions() : Dictionary<string, TierOptions>(StringComparer.OrdinalIgnoreCase)
{
    public const string Section = "Bridge:Tiers";
}

/// <summary>One tier: section <c>Bridge:Tiers:NAME</c>.</summary>
internal sealed record TierOptions
{
    /// <summary>Models of the instances, by the names that clients use.</summary>
    public IList<string> Models { get; init; } = [];

    /// <summary>The name of the activator that starts and stops the instances.</summary>
    public string? Activator { get; init; }

    /// <summary>Prefix of the instances' names, optionally followed by <c>*</c>; <c>ollama-NAME</c> by default.</summary>
    public string? Instances { get; init; }

    /// <summary>
    /// Whether only instances of the tier serve its models, even if other instances on the same model folder list them. If false, the tier starts only if no
    /// other instance has the model.
    /// </summary>
    public bool Exclusive { get; init; } = true;

    /// <summary>Maximum number of instances that the bridge requests.</summary>
    public int MaxInstances { get; init; } = 1;

    /// <summary>Time without use after which the tier scales to zero.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Maximum time that a request waits for a starting instance, before its wait for a slot begins.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The scale target of the <c>kubernetes</c> activator.</summary>
    public ScaleTargetOptions Kubernetes { get; init; } = new();

    /// <summary>The URL to which the <c>http</c> activator posts.</summary>
    public string? Url { get; init; }

    /// <summary>The bearer token that the <c>http</c> activator sends to <see cref="Url"/>; null for none.</summary>
    public string? ApiKey { get; init; }

    public string PrefixOf(string tier) => string.IsNullOrEmpty(Instances) ? $"ollama-{tier}" : Instances.TrimEnd('*');
}

/// <summary>The workload to scale: section <c>Bridge:Tiers:NAME:Kubernetes</c>. The API connection is configured in <c>Bridge:Kubernetes</c>.</summary>
internal sealed record ScaleTargetOptions
{
    /// <summary>Namespace of the workload; the connection's namespace by default.</summary>
    public string? Namespace { get; init; }

    /// <summary>Name of the workload, also if it is a Deployment; <c>ollama-NAME</c> by default.</summary>
    public string? StatefulSet { get; init; }

    public ScaledKind Kind { get; init; }
}

/// <summary>Kinds of workload with a <c>scale</c> subresource.</summary>
internal enum ScaledKind
{
    StatefulSet,

    Deployment,
}
