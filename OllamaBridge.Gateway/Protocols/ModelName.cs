using System.Text;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Parses <c>[host/][namespace/]model[:tag]</c> as Ollama's <c>types/model/name.go</c> (0.32.15) does: case-insensitive, with defaults.</summary>
internal static class ModelName
{
    private const string DefaultHost = "registry.ollama.ai";
    private const string DefaultNamespace = "library";
    private const string DefaultTag = "latest";
    private const int MaxPartLength = 80;
    private const int MaxHostLength = 350;
    private const int MaxIdLength = 512;

    /// <returns>False if Ollama rejects the name as invalid. The key is lower case, without the default host and namespace, always with a tag.</returns>
    public static bool TryGetKey(ReadOnlySpan<char> name, out string key)
    {
        key = "";
        ReadOnlySpan<char> tag = DefaultTag, host = DefaultHost, space = DefaultNamespace;
        var colon = name.LastIndexOf(':');
        if (colon >= 0 && name[colon..].IndexOf('/') < 0)
        {
            tag = name[(colon + 1)..];
            name = name[..colon];
        }

        var model = name;
        var slash = name.LastIndexOf('/');
        if (slash >= 0)
        {
            model = name[(slash + 1)..];
            space = name[..slash];
            slash = space.LastIndexOf('/');
            if (slash >= 0)
            {
                host = space[..slash];
                space = space[(slash + 1)..];
                // Only a host may follow a scheme.
                var scheme = host.IndexOf("://");
                if (scheme >= 0)
                    host = host[(scheme + 3)..];
                // "http:///x/y" has no host: Ollama uses the default.
                if (scheme >= 0 && host.IsEmpty)
                    host = DefaultHost;
            }
        }

        if (!IsValid(host, MaxHostLength, ".:") || !IsValid(space, MaxPartLength, "")
            || !IsValid(model, MaxPartLength, ".") || !IsValid(tag, MaxPartLength, "."))
            return false;

        key = Join(host, space, model, tag);
        return true;
    }

    /// <summary>For a name that may not be one of Ollama's: two names share a key only if Ollama treats them as equal, or they differ only in case.</summary>
    public static string KeyOf(string name) => TryGetKey(name, out var key) ? key : name.ToLowerInvariant();

    public static string RegistryOf(string key) => key.AsSpan().Count('/') == 2 ? key[..key.IndexOf('/', StringComparison.Ordinal)] : DefaultHost;

    /// <summary>Not blank, without control characters and lone surrogates; any letters, blanks and backslashes are allowed.</summary>
    public static bool IsId(string? id)
    {
        if (string.IsNullOrWhiteSpace(id) || id.Length > MaxIdLength)
            return false;
        foreach (var rune in id.EnumerateRunes())
            if (Rune.IsControl(rune) || rune == Rune.ReplacementChar)
                return false;
        return true;
    }

    public static string WithTag(string name)
    {
        var slash = name.LastIndexOf('/');
        return name.IndexOf(':', slash + 1) >= 0 ? name : $"{name}:{DefaultTag}";
    }

    /// <summary>The namespace, which <c>/v1/models</c> reports as <c>owned_by</c>.</summary>
    public static string Owner(string name)
    {
        var parts = name.Split('/');
        return parts.Length > 1 ? parts[^2] : DefaultNamespace;
    }

    private static string Join(ReadOnlySpan<char> host, ReadOnlySpan<char> space, ReadOnlySpan<char> model, ReadOnlySpan<char> tag)
    {
        var atHome = host.Equals(DefaultHost, StringComparison.OrdinalIgnoreCase);
        var inLibrary = atHome && space.Equals(DefaultNamespace, StringComparison.OrdinalIgnoreCase);
        var key = inLibrary ? $"{model}:{tag}" : atHome ? $"{space}/{model}:{tag}" : $"{host}/{space}/{model}:{tag}";
        return key.ToLowerInvariant();
    }

    private static bool IsValid(ReadOnlySpan<char> part, int maxLength, ReadOnlySpan<char> alsoAllowed)
    {
        if (part.IsEmpty || part.Length > maxLength)
            return false;
        for (var i = 0; i < part.Length; i++)
        {
            var c = part[i];
            if (char.IsAsciiLetterOrDigit(c) || c == '_')
                continue;
            if (i == 0 || (c != '-' && !alsoAllowed.Contains(c)))
                return false;
        }

        return true;
    }
}
