namespace OllamaBridge.Gateway.Fleet;

/// <summary>How a route of Ollama reads a model's name.</summary>
internal enum ModelNaming
{
    /// <summary>Inference, <c>show</c> and the <c>from</c> of <c>create</c>: blanks around the name are trimmed, <c>:local</c>, <c>:cloud</c> and <c>-cloud</c> are a source.</summary>
    Reference,

    /// <summary><c>pull</c> and <c>delete</c>: as <see cref="Reference"/>, but a cloud model is the local entry that stands for it.</summary>
    Pull,

    /// <summary><c>push</c>, <c>copy</c> and the name that <c>create</c> writes: the name as it is.</summary>
    Verbatim,
}

/// <summary>Where a request wants a model to run.</summary>
internal enum ModelSourceSuffix
{
    /// <summary>The name does not say.</summary>
    None,

    /// <summary><c>:local</c>: on the server.</summary>
    Local,

    /// <summary><c>:cloud</c> or a tag that ends in <c>-cloud</c>: at ollama.com.</summary>
    Cloud,
}

/// <summary>Why a name cannot be resolved.</summary>
internal enum ModelNameFault
{
    /// <summary>It can.</summary>
    None,

    /// <summary>It is empty or blank.</summary>
    Missing,

    /// <summary>It has more than one source suffix.</summary>
    Conflicting,

    /// <summary>Ollama calls it invalid.</summary>
    Invalid,
}

/// <summary>The model that Ollama resolves a written name to.</summary>
/// <remarks>
/// Rules as in Ollama's <c>internal/modelref/modelref.go</c> and <c>server/model_resolver.go</c> (0.32.15).
/// Access checks, quotas, scheduling, logs and metrics all use <see cref="Key"/>.
/// </remarks>
/// <param name="Key">The canonical name; empty if the name cannot be resolved. A cloud model's key is that of its local entry, <c>x:8b-cloud</c> or <c>x:cloud</c>.</param>
/// <param name="Suffix">Where the model is to run.</param>
/// <param name="Fault">Why the name cannot be resolved.</param>
internal readonly record struct ModelReference(string Key, ModelSourceSuffix Suffix, ModelNameFault Fault)
{
    private const string Cloud = "cloud";
    private const string Local = "local";
    private const string DashCloud = "-cloud";
    private const string DefaultTag = ":latest";

    /// <summary>Whether Ollama resolves the name to a model.</summary>
    public bool IsResolved => Fault == ModelNameFault.None;

    /// <summary>Resolves a name as Ollama does.</summary>
    /// <param name="written">The name as the client wrote it; null for none.</param>
    /// <param name="naming">How the route reads names.</param>
    public static ModelReference Resolve(ReadOnlySpan<char> written, ModelNaming naming = ModelNaming.Reference)
    {
        if (naming == ModelNaming.Verbatim)
            return ModelName.TryGetKey(written, out var verbatim) ? new(verbatim, default, default) : new("", default, ModelNameFault.Invalid);
        var name = written.Trim();
        if (name.IsEmpty)
            return new("", default, ModelNameFault.Missing);
        var suffix = CutSuffix(name, out var model);
        if (suffix != ModelSourceSuffix.None && CutSuffix(model, out _) != ModelSourceSuffix.None)
            return new("", suffix, ModelNameFault.Conflicting);
        if (!ModelName.TryGetKey(model, out var key))
            return new("", suffix, ModelNameFault.Invalid);
        if (suffix == ModelSourceSuffix.Cloud)
        {
            key = HasTag(model) ? key + DashCloud : string.Concat(key.AsSpan(0, key.Length - DefaultTag.Length), ":", Cloud);
            // Only the local entry's name, which pull and delete use, must itself be valid.
            if (naming == ModelNaming.Pull && !ModelName.TryGetKey(key, out _))
                return new("", suffix, ModelNameFault.Invalid);
        }

        return new(key, suffix, default);
    }

    /// <summary>The canonical name of what an operator writes into settings: as a client would, or an id of an OpenAI server.</summary>
    public static string KeyOf(string written) => Resolve(written) is { IsResolved: true } reference ? reference.Key : ModelName.KeyOf(written);

    /// <param name="name">A trimmed name.</param>
    /// <param name="model">The name without its suffix: "x:8b" of "x:8b:cloud" and of "x: 8b-cloud".</param>
    private static ModelSourceSuffix CutSuffix(ReadOnlySpan<char> name, out ReadOnlySpan<char> model)
    {
        model = name;
        var colon = name.LastIndexOf(':');
        if (colon < 0)
            return ModelSourceSuffix.None;
        var tag = name[(colon + 1)..].Trim();
        var isLocal = tag.Equals(Local, StringComparison.OrdinalIgnoreCase);
        if (isLocal || tag.Equals(Cloud, StringComparison.OrdinalIgnoreCase))
        {
            model = name[..colon];
            return isLocal ? ModelSourceSuffix.Local : ModelSourceSuffix.Cloud;
        }

        if (tag.Contains('/') || !tag.EndsWith(DashCloud, StringComparison.OrdinalIgnoreCase))
            return ModelSourceSuffix.None;
        model = string.Concat(name[..(colon + 1)], tag[..^DashCloud.Length]);
        return ModelSourceSuffix.Cloud;
    }

    private static bool HasTag(ReadOnlySpan<char> name) => name.LastIndexOf(':') > name.LastIndexOf('/');
}
