namespace OllamaBridge.Gateway.Protocols;

/// <summary>The rules by which a route of Ollama reads a model's name.</summary>
internal enum ModelNaming
{
    /// <summary>
    /// Inference, <c>show</c> and the <c>from</c> of <c>create</c>: blanks around the name are trimmed, <c>:local</c>, <c>:cloud</c> and
    /// <c>-cloud</c> are a source.
    /// </summary>
    Reference,

    /// <summary><c>pull</c> and <c>delete</c>: as <see cref="Reference"/>, but a cloud model is the local entry that refers to it.</summary>
    Pull,

    /// <summary><c>push</c>, <c>copy</c> and the target name of <c>create</c>: the name unchanged.</summary>
    Verbatim,
}

/// <summary>The source that a model name selects.</summary>
internal enum ModelSourceSuffix
{
    /// <summary>The name has no suffix.</summary>
    None,

    /// <summary><c>:local</c>: on the server.</summary>
    Local,

    /// <summary><c>:cloud</c> or a tag that ends in <c>-cloud</c>: at ollama.com.</summary>
    Cloud,
}

/// <summary>Why a name cannot be resolved.</summary>
internal enum ModelNameFault
{
    /// <summary>The name can be resolved.</summary>
    None,

    /// <summary>The name is empty or blank.</summary>
    Missing,

    /// <summary>The name has more than one source suffix.</summary>
    Conflicting,

    /// <summary>Ollama rejects the name as invalid.</summary>
    Invalid,
}

/// <summary>The model to which Ollama resolves a written name.</summary>
/// <remarks>
/// Rules as in Ollama's <c>internal/modelref/modelref.go</c> and <c>server/model_resolver.go</c> (0.32.15).
/// Access checks, quotas, scheduling, logs and metrics all use <see cref="Key"/>.
/// </remarks>
/// <param name="Key">The canonical name; empty if the name cannot be resolved. A cloud model's key is that of its local entry, <c>x:8b-cloud</c> or
/// <c>x:cloud</c>.</param>
/// <param name="Suffix">The source that the name selects.</param>
/// <param name="Fault">Why the name cannot be resolved.</param>
internal readonly record struct ModelReference(string Key, ModelSourceSuffix Suffix, ModelNameFault Fault)
{
    private const string Cloud = "cloud";
    private const string Local = "local";
    private const string DashCloud = "-cloud";
    private const string DefaultTag = ":latest";

    public bool IsResolved => Fault == ModelNameFault.None;

    /// <summary>Resolves a name as Ollama does.</summary>
    /// <param name="written">The client's spelling; null for none.</param>
    /// <param name="naming">The route's rules.</param>
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
            // pull and delete use the local entry's name; only that name must be valid.
            if (naming == ModelNaming.Pull && !ModelName.TryGetKey(key, out _))
                return new("", suffix, ModelNameFault.Invalid);
        }

        return new(key, suffix, default);
    }

    /// <summary>The canonical name of a model in settings: in a client's spelling, or an id of an OpenAI server.</summary>
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
