using System.Diagnostics.CodeAnalysis;

namespace OllamaBridge.Simulator;

/// <summary>A model's name in its parts: host/namespace/model:tag. Missing parts get Ollama's defaults, which the short form omits.</summary>
internal sealed record ModelName(string Host, string Namespace, string Model, string Tag)
{
    public const string DefaultHost = "registry.ollama.ai";
    public const string DefaultNamespace = "library";
    public const string DefaultTag = "latest";
    private const int MaxPart = 80;
    private const int MaxHost = 350;

    /// <summary>All parts, as in capability errors.</summary>
    public string Full => $"{Host}/{Namespace}/{Model}:{Tag}";

    /// <summary>The form in lists: without the default host and namespace, always with a tag.</summary>
    public string Short =>
        Host == DefaultHost ? (Namespace == DefaultNamespace ? $"{Model}:{Tag}" : $"{Namespace}/{Model}:{Tag}") : Full;

    public static bool TryParse(string text, [NotNullWhen(true)] out ModelName? name)
    {
        name = null;
        var (rest, tag, host, space) = (text, DefaultTag, DefaultHost, DefaultNamespace);
        var colon = rest.LastIndexOf(':');
        if (colon > rest.LastIndexOf('/'))
        {
            tag = rest[(colon + 1)..];
            rest = rest[..colon];
        }

        var slash = rest.LastIndexOf('/');
        var model = rest[(slash + 1)..];
        if (slash >= 0)
        {
            rest = rest[..slash];
            slash = rest.LastIndexOf('/');
            space = rest[(slash + 1)..];
            if (slash >= 0)
            {
                host = rest[..slash];
                var scheme = host.IndexOf("://", StringComparison.Ordinal);
                if (scheme >= 0)
                    host = host[(scheme + 3)..] is { Length: > 0 } named ? named : DefaultHost;
            }
        }

        if (!IsPart(model, ".-_") || !IsPart(tag, ".-_") || !IsPart(space, "-_") || !IsPart(host, ".-_:", MaxHost))
            return false;
        name = new ModelName(host, space, model, tag);
        return true;
    }

    /// <summary>The short form; the text itself if it is no model name.</summary>
    public static string Normalize(string text) => TryParse(text, out var name) ? name.Short : text;

    public static bool Same(string a, string b) => string.Equals(Normalize(a), Normalize(b), StringComparison.OrdinalIgnoreCase);

    private static bool IsPart(string part, string punctuation, int maxLength = MaxPart)
    {
        if (part.Length == 0 || part.Length > maxLength || !(char.IsAsciiLetterOrDigit(part[0]) || part[0] == '_'))
            return false;
        foreach (var c in part)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !punctuation.Contains(c))
                return false;
        }
        return true;
    }
}
