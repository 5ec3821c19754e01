using System.Globalization;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>
/// The names that a short name may stand for: what the system's resolver does and a library that only asks DNS does not. A pod's
/// <c>/etc/resolv.conf</c> makes <c>ollama.ai</c> the Service <c>ollama</c> of namespace <c>ai</c>. Format: resolv.conf(5).
/// </summary>
/// <param name="Domains">Domains that short names may be in, in order.</param>
/// <param name="Dots">A name with as many dots is asked as it is before it is asked in a domain.</param>
internal sealed record SearchList(IReadOnlyList<string> Domains, int Dots = 1)
{
    // RFC 1035, 2.3.4, without the root's dot.
    private const int MaxLength = 253;

    // What resolvers take at most.
    private const int MaxDots = 15;

    /// <summary>Names stand for themselves.</summary>
    public static SearchList None { get; } = new([]);

    /// <summary>Reads a <c>resolv.conf</c>. Pure.</summary>
    public static SearchList Read(string text)
    {
        var list = None;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            // Of several the last holds.
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

    /// <summary>What to ask for, in order; each ends in a dot: it is to be looked for nowhere else.</summary>
    /// <param name="host">The name as somebody wrote it.</param>
    /// <param name="prefix">What stands before it, with its dot, as <c>_http._tcp.</c></param>
    public IEnumerable<string> Names(string host, string prefix = "")
    {
        if (host.EndsWith('.'))
            return [prefix + host];
        var inDomains = Domains.Select(d => $"{prefix}{host}.{d}.");
        string[] itself = [$"{prefix}{host}."];
        return (host.AsSpan().Count('.') >= Dots ? itself.Concat(inDomains) : inDomains.Concat(itself)).Where(n => n.Length <= MaxLength + 1);
    }
}
