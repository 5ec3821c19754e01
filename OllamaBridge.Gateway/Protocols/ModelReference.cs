namespace OllamaBridge.Gateway.Protocols;

/// <summary>The rules by which a route of Ollama reads a model's name.</summary>
internal enum ModelNaming
{
    /// <summary>Inference, <c>show</c>, <c>from</c> of <c>create</c>: trimmed; <c>:local</c>, <c>:cloud</c> and <c>-cloud</c> select a source.</summary>
    Reference,

    /// <summary><c>pull</c> and <c>delete</c>: as <see cref="Reference"/>, but a cloud model is the local entry that refers to it.</summary>
    Pull,

    /// <summary><c>push</c>, <c>copy</c> and the target name of <c>create</c>: the name unchanged.</summary>
    Verbatim,
}

internal enum ModelSourceSuffix
{
    None,

    Local,

    Cloud,
}

internal enum ModelNameFault
{
    None,

    Missing,

    Conflicting,

    Invalid,
}

/// <summary>The model to which Ollama resolves a name (<c>internal/modelref/modelref.go</c>, <c>server/model_resolver.go</c> 0.32.15).</summary>
/// <param name="Key">Empty if the name cannot be resolved. A cloud model has the key of its local entry, <c>x:8b-cloud</c> or <c>x:cloud</c>.</param>
internal readonly record struct ModelReference(string Key, ModelSourceSuffix Suffix, ModelNameFault Fault)
{
    private const string Cloud = "cloud";
    private const string Local = "local";
    private const string DashCloud = "-cloud";
    private const string DefaultTag = ":latest";

    public bool IsResolved => Fault == ModelNameFault.None;

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
