namespace OllamaBridge.Gateway.Identity;

/// <summary>Which instances a tenant's requests may go to. Compared by what it says, so that tenants with the same rules share a queue.</summary>
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
        // No blank is in an instance's name twice over; names compare without case.
        _text = $"{string.Join("  ", _allowed)}   {string.Join("  ", _closed)}   {string.Join("  ", _away)}".ToUpperInvariant();
    }

    /// <summary>What a tenant may use: what it was given and what it owns, or anything where it was given nothing; never what only others own.</summary>
    /// <param name="tenant">The tenant; null for whoever comes without a key.</param>
    /// <param name="all">All tenants, disabled ones included: what they own stays theirs.</param>
    /// <returns>Null where it may use any.</returns>
    public static InstanceAccess? Of(TenantRecord? tenant, IReadOnlyList<TenantRecord> all)
    {
        string[] given = tenant is null ? [] : [.. tenant.Instances, .. tenant.OwnInstances];
        // What two own is both's.
        var closed = all.Where(t => t.Id != tenant?.Id).SelectMany(t => t.OwnInstances)
            .Where(p => tenant?.OwnInstances.Contains(p, StringComparer.OrdinalIgnoreCase) != true).ToArray();
        return given.Length == 0 && closed.Length == 0 ? null : new InstanceAccess(given, closed) { Own = tenant?.OwnInstances ?? [] };
    }

    /// <summary>The same without some instances, whoever owns them.</summary>
    /// <param name="access">What may be used; null for any.</param>
    /// <param name="away">Names, none of them a pattern.</param>
    public static InstanceAccess Without(InstanceAccess? access, params ReadOnlySpan<string> away) =>
        new(access?._allowed ?? [], access?._closed ?? [], away) { Own = access?.Own ?? [] };

    private IReadOnlyList<string> Own { get; init; } = [];

    /// <summary>Whether an instance may be used.</summary>
    /// <param name="name">Its name.</param>
    public bool Allows(string name) =>
        !_away.Contains(name, StringComparer.OrdinalIgnoreCase)
        && (Covers(Own, name) || ((_allowed.Length == 0 || Covers(_allowed, name)) && !Covers(_closed, name)));

    /// <summary>Whether some instance may be used whose name a pattern covers.</summary>
    /// <param name="pattern">A beginning that ends in <c>*</c>.</param>
    public bool MayAllow(string pattern) =>
        Meets(Own, pattern) || ((_allowed.Length == 0 || Meets(_allowed, pattern)) && !Array.Exists(_closed, c => c.EndsWith('*') && Begins(pattern, c)));

    /// <inheritdoc/>
    public bool Equals(InstanceAccess? other) => other is not null && _text == other._text && Own.SequenceEqual(other.Own, StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as InstanceAccess);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>Whether one of the patterns and a beginning with <c>*</c> have a name in common.</summary>
    private static bool Meets(IEnumerable<string> patterns, string beginning) =>
        patterns.Any(p => Begins(p, beginning) || (p.EndsWith('*') && Begins(beginning, p)));

    private static bool Begins(string name, string pattern) =>
        name.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether one of the patterns is the name, or a beginning of it that ends in <c>*</c>.</summary>
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
