namespace OllamaBridge.Gateway.Naming;

/// <summary>What is said of models by name: section <c>Bridge:Models</c>.</summary>
internal sealed class ModelsOptions : List<ModelOptions>
{
    public const string Section = "Bridge:Models";
}

/// <summary>One name: section <c>Bridge:Models:N</c>.</summary>
internal sealed record ModelOptions
{
    /// <summary>The model as clients write it: one that there is, or an alias.</summary>
    public string? Name { get; init; }

    /// <summary>Of an alias: the model that it stands for.</summary>
    public string? Target { get; init; }

    /// <summary>The digest that is served under the name where instances have several, or its beginning; null for the newest.</summary>
    public string? Digest { get; init; }

    /// <summary>Models that stand in, the first that can before the others.</summary>
    public IList<string> Fallbacks { get; init; } = [];

    /// <summary>What to do if no instance has the memory that a request needs.</summary>
    public MemoryFailureAction OnMemoryFailure { get; init; }
}

/// <summary>What to do if no instance has the memory that a request needs.</summary>
internal enum MemoryFailureAction
{
    /// <summary>The client gets the instance's error.</summary>
    Fail,

    /// <summary>One more attempt with half of the layers on the GPU (<c>num_gpu</c>): slower, but an answer.</summary>
    FewerLayers,
}
