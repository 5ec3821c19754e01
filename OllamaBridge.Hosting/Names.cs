using System.Text;

namespace OllamaBridge.Hosting;

/// <summary>Names of models and of their resources.</summary>
internal static class Names
{
    private const int MaxResourceName = 64;

    /// <summary>The parts of a comma-separated list.</summary>
    public static IReadOnlyList<string> Split(string? list) =>
        (list ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>
    /// A model's name with its tag. Servers list <c>x</c> as <c>x:latest</c>; a comparison without the tag would pull it at each start.
    /// </summary>
    public static string WithTag(string model) =>
        model.LastIndexOf(':') > model.LastIndexOf('/') || model.Contains('@', StringComparison.Ordinal) ? model : $"{model}:latest";

    /// <summary>A resource name for a model: letters, digits and single hyphens, as Aspire requires.</summary>
    /// <param name="prefix">The name's prefix.</param>
    /// <param name="model">The model.</param>
    /// <param name="isTaken">Whether another resource has a name.</param>
    public static string ForModel(string prefix, string model, Func<string, bool> isTaken)
    {
        var name = new StringBuilder(prefix).Append('-');
        foreach (var c in model.EndsWith(":latest", StringComparison.Ordinal) ? model[..^7] : model)
        {
            if (char.IsAsciiLetterOrDigit(c))
                name.Append(char.ToLowerInvariant(c));
            else if (name[^1] != '-')
                name.Append('-');
        }

        var whole = name.ToString(0, Math.Min(name.Length, MaxResourceName - 3)).Trim('-');
        var candidate = whole;
        for (var i = 2; isTaken(candidate); i++)
            candidate = $"{whole}-{i}";
        return candidate;
    }
}
