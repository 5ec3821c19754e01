using System.Diagnostics.CodeAnalysis;

namespace OllamaBridge.Simulator;

/// <summary>A model's name in its parts: host/namespace/model:tag. Ollama fills what is missing and shortens what is its default.</summary>
internal sealed record ModelName(string Host, string Namespace, string Model, string Tag)
{
    public const string DefaultHost = "registry.ollama.ai";
    public const string DefaultNamespace = "library";
    public const string DefaultTag = "latest";
    private const int MaxPart = 80;

    /// <summary>Every part written out, as capability errors show it.</summary>
    public string Full => $"{Host}/{Namespace}/{Model}:{Tag}";

    /// <summary>As lists show it: without the default host and namespace, always with a tag.</summary>
    public string Short =>
        Host == DefaultHost ? (Namespace == DefaultNamespace ? $"{Model}:{Tag}" : $"{Namespace}/{Model}:{Tag}") : Full;

    public static bool TryParse(string text, [NotNullWhen(true)] out ModelName? name)
    {
        name = null;
        var rest = text;
        var scheme = rest.IndexOf("://", StringComparison.Ordinal);
        if (scheme >= 0)
            rest = rest[(scheme + 3)..];
        var tag = DefaultTag;
        var colon = rest.LastIndexOf(':');
        if (colon > rest.LastIndexOf('/'))
        {
            tag = rest[(colon + 1)..];
            rest = rest[..colon];
        }
        var parts = rest.Split('/');
        if (parts.Length > 3)
            return false;
        var model = parts[^1];
        var space = parts.Length > 1 ? parts[^2] : DefaultNamespace;
        var host = parts.Length > 2 ? parts[0] : DefaultHost;
        if (!IsPart(model, ".-_") || !IsPart(tag, ".-_") || !IsPart(space, "-_.") || !IsPart(host, ".-_:"))
            return false;
        name = new ModelName(host, space, model, tag);
        return true;
    }

    /// <summary>The short form; the text itself where it is no model name.</summary>
    public static string Normalize(string text) => TryParse(text, out var name) ? name.Short : text;

    public static bool Same(string a, string b) => string.Equals(Normalize(a), Normalize(b), StringComparison.OrdinalIgnoreCase);

    private static bool IsPart(string part, string punctuation)
    {
        if (part.Length is 0 or > MaxPart || !(char.IsAsciiLetterOrDigit(part[0]) || part[0] == '_'))
            return false;
        foreach (var c in part)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !punctuation.Contains(c))
                return false;
        }
        return true;
    }
}
