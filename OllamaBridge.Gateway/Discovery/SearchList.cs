using System.Globalization;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Expands short names, as the system's resolver does and a plain DNS library does not. Format: resolv.conf(5).</summary>
/// <param name="Dots">A name with at least this many dots is queried as it is before it is queried in a domain (<c>ndots</c>).</param>
internal sealed record SearchList(IReadOnlyList<string> Domains, int Dots = 1)
{
    // RFC 1035, 2.3.4, without the root's dot.
    private const int MaxLength = 253;

    // The limit of common resolvers.
    private const int MaxDots = 15;

    public static SearchList None { get; } = new([]);

    public static SearchList Read(string text)
    {
        var list = None;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            // Of several such lines, the last one applies.
            if (words is ["search" or "domain", .. var domains])
                list = list with { Domains = [.. domains.Select(d => d.Trim('.')).Where(d => d.Length > 0)] };
            if (words is ["options", .. var options])
                foreach (var option in options)
                    if (option.StartsWith("ndots:", StringComparison.Ordinal)
                        && int.TryParse(option.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out var dots))
                        list = list with { Dots = Math.Min(dots, MaxDots) };
        }

        return list;
    }

    /// <summary>The names to query, in order, each with a final dot. <paramref name="prefix"/> also ends with a dot, as <c>_http._tcp.</c></summary>
    public IEnumerable<string> Names(string host, string prefix = "")
    {
        if (host.EndsWith('.'))
            return [prefix + host];
        var inDomains = Domains.Select(d => $"{prefix}{host}.{d}.");
        string[] itself = [$"{prefix}{host}."];
        return (host.AsSpan().Count('.') >= Dots ? itself.Concat(inDomains) : inDomains.Concat(itself)).Where(n => n.Length <= MaxLength + 1);
    }
}
