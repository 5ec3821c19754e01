namespace OllamaBridge.Testing.Fleet;

/// <summary>The oracle of the name tests: Ollama 0.32.15's <c>modelref.ParseRef</c>, <c>NormalizePullName</c> and <c>model.ParseName</c>, followed
/// step by step. Independent of the gateway's and of the simulator's code.</summary>
internal static class GoModelName
{
    /// <summary>The name that Ollama resolves a name to (host/namespace/model:tag in lower case) and its source; null for an invalid name.</summary>
    public static (string Name, string Source)? Resolve(string raw)
    {
        raw = raw.Trim();
        if (raw == "")
            return null;
        var (rest, source, isExplicit) = SourceSuffix(raw);
        if (isExplicit && SourceSuffix(rest).IsExplicit)
            return null;
        return ParseName(rest) is { } name ? (name, source) : null;
    }

    /// <summary>The same for pull and delete.</summary>
    public static string? ResolveForPull(string raw)
    {
        raw = raw.Trim();
        if (raw == "")
            return null;
        var (rest, source, isExplicit) = SourceSuffix(raw);
        if (isExplicit && SourceSuffix(rest).IsExplicit)
            return null;
        return ParseName(source != "cloud" ? rest : rest.LastIndexOf(':') > rest.LastIndexOf('/') ? rest + "-cloud" : rest + ":cloud");
    }

    public static string? ParseName(string s)
    {
        var (host, space, model, tag) = ("", "", "", "");
        if (s.LastIndexOf(':') > s.LastIndexOf('/'))
            (s, tag, _) = CutPromised(s, ":");
        (s, model, var promised) = CutPromised(s, "/");
        if (!promised)
        {
            model = s;
        }
        else
        {
            (s, space, promised) = CutPromised(s, "/");
            if (!promised)
                space = s;
            else
                host = s.IndexOf("://", StringComparison.Ordinal) is >= 0 and var at ? s[(at + 3)..] : s;
        }

        host = host == "" ? "registry.ollama.ai" : host;
        space = space == "" ? "library" : space;
        tag = tag == "" ? "latest" : tag;
        return IsValid("host", host) && IsValid("namespace", space) && IsValid("model", model) && IsValid("tag", tag)
            ? $"{host}/{space}/{model}:{tag}".ToLowerInvariant()
            : null;
    }

    private static (string Text, string Source, bool IsExplicit) SourceSuffix(string raw)
    {
        var index = raw.LastIndexOf(':');
        if (index >= 0)
        {
            var suffixRaw = raw[(index + 1)..].Trim();
            var suffix = suffixRaw.ToLowerInvariant();
            if (suffix == "cloud")
                return (raw[..index], "cloud", true);
            if (suffix == "local")
                return (raw[..index], "local", true);
            if (!suffixRaw.Contains('/') && suffix.EndsWith("-cloud", StringComparison.Ordinal))
                return (raw[..(index + 1)] + suffixRaw[..^"-cloud".Length], "cloud", true);
        }

        return (raw, "", false);
    }

    private static (string Before, string After, bool Ok) CutPromised(string s, string separator)
    {
        var index = s.LastIndexOf(separator, StringComparison.Ordinal);
        if (index < 0)
            return (s, "", false);
        var (before, after) = (s[..index], s[(index + separator.Length)..]);
        return (before == "" ? "!MISSING!" : before, after == "" ? "!MISSING!" : after, true);
    }

    private static bool IsValid(string kind, string part)
    {
        if (part.Length < 1 || part.Length > (kind == "host" ? 350 : 80))
            return false;
        for (var i = 0; i < part.Length; i++)
        {
            var c = part[i];
            if (c is (>= 'A' and <= 'Z') or (>= 'a' and <= 'z') or (>= '0' and <= '9') or '_')
                continue;
            if (i == 0 || !(c == '-' || (c == '.' && kind != "namespace") || (c == ':' && kind == "host")))
                return false;
        }

        return true;
    }
}
