namespace OllamaBridge.Simulator;

/// <summary>A model as requests name it: a name, and perhaps ":local", ":cloud" or a tag that ends in "-cloud".</summary>
/// <remarks>As Ollama's internal/modelref (0.32.15) reads it.</remarks>
internal readonly record struct ModelReference(ModelName Name, string Base, bool IsLocal, bool IsCloud)
{
    private const string CloudEnd = "-cloud";

    /// <summary>Reads a model's name as inference and show do.</summary>
    /// <exception cref="ApiError">400 where it is no name; what the caller says where it is blank.</exception>
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

    /// <summary>Reads a model's name as pull and delete do: a cloud model is the entry that stands for it.</summary>
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
