using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Which models a tenant may use: names, or beginnings that end in <c>*</c>.</summary>
internal sealed class ModelAccess
{
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly string[] _beginnings;

    public ModelAccess(IEnumerable<string> patterns)
    {
        var beginnings = new List<string>();
        foreach (var pattern in patterns)
        {
            // A beginning is compared with the name as people write it, without registry and namespace where those are Ollama's own.
            if (pattern.EndsWith('*'))
            {
                beginnings.Add(pattern[..^1].ToLowerInvariant());
            }
            else
            {
                // As a client writes it, and as an id that only OpenAI servers have.
                _names.Add(ModelReference.KeyOf(pattern));
                _names.Add(ModelName.KeyOf(pattern));
            }
        }

        _beginnings = [.. beginnings];
    }

    /// <summary>Whether a model may be used.</summary>
    /// <param name="key">Its canonical name.</param>
    public bool Allows(string key)
    {
        if (_names.Contains(key))
            return true;
        foreach (var beginning in _beginnings)
            if (key.StartsWith(beginning, StringComparison.Ordinal))
                return true;
        return false;
    }
}
