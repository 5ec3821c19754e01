namespace OllamaBridge.Gateway.Tenants;

/// <summary>The instances that a tenant's requests may use. Compared by value, so that tenants with the same rules share a queue.</summary>
internal sealed class InstanceAccess : IEquatable<InstanceAccess>
{
    private readonly string[] _allowed;
    private readonly string[] _closed;
    private readonly string[] _away;
    private readonly string _text;

    private InstanceAccess(IEnumerable<string> allowed, IEnumerable<string> closed, params ReadOnlySpan<string> away)
    {
        _away = [.. away];
        _allowed = [.. allowed.Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase)];
        _closed = [.. closed.Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase)];
        // Instance names contain no consecutive blanks, and compare without case.
        _text = $"{string.Join("  ", _allowed)}   {string.Join("  ", _closed)}   {string.Join("  ", _away)}".ToUpperInvariant();
    }

    /// <summary>Its configured and own instances, or all if it has neither, without those that only others own. Null if every instance may be used.</summary>
    /// <param name="tenant">Null for requests without a key.</param>
    /// <param name="all">Includes disabled tenants, which keep their own instances.</param>
    public static InstanceAccess? Of(TenantRecord? tenant, IReadOnlyList<TenantRecord> all)
    {
        string[] given = tenant is null ? [] : [.. tenant.Instances, .. tenant.OwnInstances];
        // An instance with two owners is available to both.
        var closed = all.Where(t => t.Id != tenant?.Id).SelectMany(t => t.OwnInstances)
            .Where(p => tenant?.OwnInstances.Contains(p, StringComparer.OrdinalIgnoreCase) != true).ToArray();
        return given.Length == 0 && closed.Length == 0 ? null : new InstanceAccess(given, closed) { Own = tenant?.OwnInstances ?? [] };
    }

    /// <summary>Excludes <paramref name="away"/> (names, not patterns), regardless of their owner. Null <paramref name="access"/> means any.</summary>
    public static InstanceAccess Without(InstanceAccess? access, params ReadOnlySpan<string> away) =>
        new(access?._allowed ?? [], access?._closed ?? [], away) { Own = access?.Own ?? [] };

    private IReadOnlyList<string> Own { get; init; } = [];

    public bool Allows(string name) =>
        !_away.Contains(name, StringComparer.OrdinalIgnoreCase)
        && (Covers(Own, name) || ((_allowed.Length == 0 || Covers(_allowed, name)) && !Covers(_closed, name)));

    /// <summary>Whether it allows some instance name that begins like <paramref name="pattern"/>, which ends in <c>*</c>.</summary>
    public bool MayAllow(string pattern) =>
        Meets(Own, pattern) || ((_allowed.Length == 0 || Meets(_allowed, pattern)) && !Array.Exists(_closed, c => c.EndsWith('*') && Begins(pattern, c)));

    public bool Equals(InstanceAccess? other) => other is not null && _text == other._text && Own.SequenceEqual(other.Own, StringComparer.OrdinalIgnoreCase);

    public override bool Equals(object? obj) => Equals(obj as InstanceAccess);

    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    private static bool Meets(IEnumerable<string> patterns, string beginning) =>
        patterns.Any(p => Begins(p, beginning) || (p.EndsWith('*') && Begins(beginning, p)));

    private static bool Begins(string name, string pattern) =>
        name.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether one of the patterns is the name, or a prefix of it that ends in <c>*</c>.</summary>
    private static bool Covers(IReadOnlyList<string> patterns, string name)
    {
        for (var i = 0; i < patterns.Count; i++)
        {
            var pattern = patterns[i];
            if (pattern.EndsWith('*')
                ? name.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.OrdinalIgnoreCase)
                : string.Equals(pattern, name, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
