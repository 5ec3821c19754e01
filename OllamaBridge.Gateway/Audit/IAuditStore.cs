namespace OllamaBridge.Gateway.Audit;

/// <summary>Keeps the audit log, the latest entries of it.</summary>
internal interface IAuditStore
{
    /// <summary>Adds an entry. It doesn't wait.</summary>
    void Write(AuditEntry entry);

    /// <summary>Reads entries, newest first.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    ValueTask<AuditReading> ReadAsync(AuditFilter filter, CancellationToken cancellationToken);
}

/// <summary>Which entries are wanted; null for any.</summary>
/// <param name="Limit">The most entries.</param>
/// <param name="Since">Entries of this time and later.</param>
/// <param name="Before">Entries that are older than the one with this id.</param>
/// <param name="Target">Entries of this target, of a part of it (<c>team-a</c> for <c>team-a/KEY</c>), or whose target begins with this and ends in <c>*</c>.</param>
/// <param name="Action">Entries of this action, or of all that begin so (<c>model</c> for <c>model.pull</c>).</param>
internal sealed record AuditFilter(int Limit, DateTimeOffset? Since = null, string? Before = null, string? Target = null, string? Action = null)
{
    /// <summary>Chooses among entries.</summary>
    /// <param name="entries">In any order, some perhaps twice.</param>
    public AuditReading Choose(IEnumerable<AuditEntry> entries)
    {
        var wanted = entries.Where(Wants).DistinctBy(e => e.Id).OrderByDescending(e => e.Id, StringComparer.Ordinal).Take(Limit + 1).ToList();
        return wanted.Count > Limit ? new AuditReading(wanted[..Limit], HasMore: true) : new AuditReading(wanted);
    }

    private bool Wants(AuditEntry entry) =>
        (Since is null || entry.Time >= Since)
        && (Before is null || string.CompareOrdinal(entry.Id, Before) < 0)
        && (Target is null || IsPart(entry.Target, Target, '/'))
        && (Action is null || IsPart(entry.Action, Action, '.'));

    private static bool IsPart(string text, string wanted, char separator) => wanted.EndsWith('*')
        ? text.AsSpan().StartsWith(wanted.AsSpan(0, wanted.Length - 1), StringComparison.OrdinalIgnoreCase)
        : text.StartsWith(wanted, StringComparison.OrdinalIgnoreCase) && (text.Length == wanted.Length || text[wanted.Length] == separator);
}

/// <summary>Entries that were read.</summary>
/// <param name="Entries">Newest first.</param>
/// <param name="HasMore">Whether older ones match, too.</param>
/// <param name="IsPartial">Whether they are this bridge's alone, because the shared state does not answer.</param>
internal sealed record AuditReading(IReadOnlyList<AuditEntry> Entries, bool HasMore = false, bool IsPartial = false);
