namespace OllamaBridge.Gateway.Activation;

/// <summary>Instances that may stand at zero, by the name of their tier: section <c>Bridge:Tiers</c>.</summary>
internal sealed class TiersOptions() : Dictionary<string, TierOptions>(StringComparer.OrdinalIgnoreCase)
{
    public const string Section = "Bridge:Tiers";
}

/// <summary>One tier: section <c>Bridge:Tiers:NAME</c>.</summary>
internal sealed record TierOptions
{
    /// <summary>The models that its instances have, as clients write them.</summary>
    public IList<string> Models { get; init; } = [];

    /// <summary>Who starts instances: the <see cref="IInstanceActivator.Name"/> of one.</summary>
    public string? Activator { get; init; }

    /// <summary>How its instances' names begin, with or without a <c>*</c> behind; <c>ollama-NAME</c> where absent.</summary>
    public string? Instances { get; init; }

    /// <summary>Whether its models are asked of its instances alone, although others on the same model folder list them; else the tier wakes only where nobody has them.</summary>
    public bool Exclusive { get; init; } = true;

    /// <summary>How many instances the bridge asks for at most.</summary>
    public int MaxInstances { get; init; } = 1;

    /// <summary>How long after its last use it goes back to zero.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a request may wait for an instance that is being started, before its wait for a slot begins.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>For the activator <see cref="KubernetesActivator"/>.</summary>
    public ScaleTargetOptions Kubernetes { get; init; } = new();

    /// <summary>For the activator <see cref="HttpActivator"/>: what it calls.</summary>
    public string? Url { get; init; }

    /// <summary>For the activator <see cref="HttpActivator"/>: the key that it shows there; null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>How its instances' names begin.</summary>
    /// <param name="tier">The tier's name.</param>
    public string PrefixOf(string tier) => string.IsNullOrEmpty(Instances) ? $"ollama-{tier}" : Instances.TrimEnd('*');
}

/// <summary>What is scaled: section <c>Bridge:Tiers:NAME:Kubernetes</c>. How the API is reached stands in <c>Bridge:Kubernetes</c>.</summary>
internal sealed record ScaleTargetOptions
{
    /// <summary>The namespace; where absent that of the connection.</summary>
    public string? Namespace { get; init; }

    /// <summary>The name of what is scaled; <c>ollama-NAME</c> where absent.</summary>
    public string? StatefulSet { get; init; }

    /// <summary>What that is.</summary>
    public ScaledKind Kind { get; init; }
}

/// <summary>What has a scale.</summary>
internal enum ScaledKind
{
    /// <summary>A StatefulSet.</summary>
    StatefulSet,

    /// <summary>A Deployment.</summary>
    Deployment,
}
