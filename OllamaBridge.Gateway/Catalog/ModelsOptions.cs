namespace OllamaBridge.Gateway.Catalog;

/// <summary>Aliases, fallbacks and other settings by model name: section <c>Bridge:Models</c>.</summary>
internal sealed class ModelsOptions : List<ModelOptions>
{
    public const string Section = "Bridge:Models";
}

/// <summary>The settings of one model name: section <c>Bridge:Models:N</c>.</summary>
internal sealed record ModelOptions
{
    /// <summary>The name as clients write it: that of a model, or an alias.</summary>
    public string? Name { get; init; }

    /// <summary>The model that an alias resolves to; null if the name is a model's.</summary>
    public string? Target { get; init; }

    /// <summary>The digest to serve if instances have several under the name, or its first digits; null for the newest.</summary>
    public string? Digest { get; init; }

    /// <summary>Fallback models in order of preference.</summary>
    public IList<string> Fallbacks { get; init; } = [];

    public MemoryFailureAction OnMemoryFailure { get; init; }
}

/// <summary>The reaction if no instance has the memory that a request needs.</summary>
internal enum MemoryFailureAction
{
    /// <summary>The client gets the instance's error.</summary>
    Fail,

    /// <summary>Makes one more attempt with half of the layers on the GPU (<c>num_gpu</c>), which is slower.</summary>
    FewerLayers,
}
