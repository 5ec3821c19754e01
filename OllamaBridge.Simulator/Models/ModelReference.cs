namespace OllamaBridge.Simulator;

/// <summary>A model in requests: a name with an optional ":local", ":cloud" or a tag that ends in "-cloud".</summary>
/// <remarks>Rules of Ollama's internal/modelref (0.32.15).</remarks>
internal readonly record struct ModelReference(ModelName Name, string Base, bool IsLocal, bool IsCloud)
{
    private const string CloudEnd = "-cloud";

    /// <summary>Parses a model's name as inference and show do.</summary>
    /// <exception cref="ApiError">400 for an invalid name; <paramref name="missing"/> for a blank one.</exception>
    public static ModelReference Parse(string text, ApiError missing)
    {
        text = text.Trim();
        if (text.Length == 0)
            throw missing;
        var (rest, suffix) = Cut(text);
        if (suffix != ' ' && Cut(rest).Suffix != ' ')
            throw new ApiError(400, $"use either :local or :cloud, not both: \"{text}\"");
        return ModelName.TryParse(rest, out var name)
            ? new ModelReference(name, rest, suffix == 'l', suffix == 'c')
            : throw new ApiError(400, "invalid model name");
    }

    /// <summary>Parses a model's name as pull and delete do: a cloud model is the local entry that refers to it.</summary>
    public static ModelName ParseForPull(string text)
    {
        var reference = Parse(text, new ApiError(400, "invalid model name"));
        if (!reference.IsCloud)
            return reference.Name;
        var hasTag = reference.Base.LastIndexOf(':') > reference.Base.LastIndexOf('/');
        return ModelName.TryParse(reference.Base + (hasTag ? CloudEnd : ":cloud"), out var name) ? name : throw new ApiError(400, "invalid model name");
    }

    // The suffix: 'l' local, 'c' cloud, ' ' none.
    private static (string Model, char Suffix) Cut(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0)
            return (text, ' ');
        var tag = text[(colon + 1)..].Trim();
        return tag.ToLowerInvariant() switch
        {
            "local" => (text[..colon], 'l'),
            "cloud" => (text[..colon], 'c'),
            var lower when lower.EndsWith(CloudEnd, StringComparison.Ordinal) && !tag.Contains('/') => (text[..(colon + 1)] + tag[..^CloudEnd.Length], 'c'),
            _ => (text, ' '),
        };
    }
}
