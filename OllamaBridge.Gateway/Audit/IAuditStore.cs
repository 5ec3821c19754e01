namespace OllamaBridge.Gateway.Audit;

/// <summary>Stores the latest entries of the audit log.</summary>
internal interface IAuditStore
{
    /// <summary>Adds an entry without blocking.</summary>
    void Write(AuditEntry entry);

    ValueTask<AuditReading> ReadAsync(AuditFilter filter, CancellationToken cancellationToken);
}

/// <summary>A filter of entries. A null member matches all.</summary>
/// <param name="Before">Id of an entry; only older entries match.</param>
/// <param name="Target">Target, the first part of one (<c>team-a</c> for <c>team-a/KEY</c>), or a prefix that ends in <c>*</c>.</param>
/// <param name="Action">Action, or the first part of one (<c>model</c> for <c>model.pull</c>).</param>
internal sealed record AuditFilter(int Limit, DateTimeOffset? Since = null, string? Before = null, string? Target = null, string? Action = null)
{
    /// <summary>Selects matching entries, newest first. The entries may be unordered and contain duplicates.</summary>
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

/// <summary>Matching entries, newest first. <paramref name="IsPartial"/>: only those of this bridge, because the shared state does not respond.</summary>
internal sealed record AuditReading(IReadOnlyList<AuditEntry> Entries, bool HasMore = false, bool IsPartial = false);
