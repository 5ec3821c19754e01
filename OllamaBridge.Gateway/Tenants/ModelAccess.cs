using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The models that a tenant may use: names, or prefixes that end in <c>*</c>.</summary>
internal sealed class ModelAccess
{
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly ModelPattern[] _patterns;

    public ModelAccess(IEnumerable<string> patterns)
    {
        var beginnings = new List<ModelPattern>();
        foreach (var pattern in patterns)
        {
            if (pattern.EndsWith('*'))
            {
                beginnings.Add(ModelPattern.Read(pattern));
            }
            else
            {
                // As clients write it, and as an id that only OpenAI servers have.
                _names.Add(ModelReference.KeyOf(pattern));
                _names.Add(ModelName.KeyOf(pattern));
            }
        }

        _patterns = [.. beginnings];
    }

    /// <param name="key">A canonical name.</param>
    public bool Allows(string key)
    {
        if (_names.Contains(key))
            return true;
        foreach (var pattern in _patterns)
            if (pattern.Covers(key))
                return true;
        return false;
    }
}

/// <summary>A prefix of model names within one namespace or registry: <c>qwen3*</c> covers Ollama's library, <c>lab/*</c> the namespace <c>lab</c>.</summary>
/// <param name="Slashes">The number of slashes in matching names; negative for any number.</param>
internal readonly record struct ModelPattern(string Beginning, int Slashes)
{
    private const int RegistrySlashes = 2;
    private const int AtMostNamespace = -2;
    private static readonly string[] Home = ["registry.ollama.ai/", "library/"];

    public static ModelPattern Read(string pattern)
    {
        var beginning = pattern[..^1].Trim().ToLowerInvariant();
        if (beginning.Length == 0)
            return new ModelPattern("", -1);
        // Canonical names omit Ollama's own registry, and then its library.
        var isHome = false;
        foreach (var part in Home)
            if (beginning.StartsWith(part, StringComparison.Ordinal) && (part == Home[0] || beginning.IndexOf('/', part.Length) < 0))
            {
                beginning = beginning[part.Length..];
                isHome |= part == Home[0];
                if (beginning.Length == 0)
                    // "registry.ollama.ai/*" is the whole registry, "library/*" its library.
                    return part == Home[0] ? new ModelPattern("", AtMostNamespace) : new ModelPattern("", 0);
            }

        var slash = beginning.IndexOf('/');
        // A namespace contains neither a dot nor a colon, so such a first part is a registry.
        var isRegistry = !isHome && slash > 0 && beginning.AsSpan(0, slash).ContainsAny('.', ':');
        return new ModelPattern(beginning, isRegistry ? RegistrySlashes : beginning.AsSpan().Count('/'));
    }

    public bool Covers(string key)
    {
        var slashes = key.AsSpan().Count('/');
        return (Slashes < 0 ? Slashes != AtMostNamespace || slashes < RegistrySlashes : slashes == Slashes)
            && key.StartsWith(Beginning, StringComparison.Ordinal);
    }
}
