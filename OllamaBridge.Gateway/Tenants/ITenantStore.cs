using System.Globalization;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Stores the tenants that operators made through the API. Called in the background and on changes, never while a request is handled.</summary>
internal interface ITenantStore
{
    bool IsShared { get; }

    /// <summary>Reads all tenants, unless their version is <paramref name="known"/>. Null reads them in any case.</summary>
    ValueTask<TenantReading> ReadAsync(TenantVersion? known, CancellationToken cancellationToken);

    /// <summary>A null <paramref name="tenant"/> removes it. No change if the stored version is not <paramref name="known"/>. If cancelled, the outcome is unknown.</summary>
    ValueTask<TenantWriting> ReplaceAsync(TenantVersion known, string id, TenantRecord? tenant, CancellationToken cancellationToken);
}

/// <summary>One version of all stored tenants: the number of changes and a random mark. The text is empty if nothing was ever stored.</summary>
internal readonly record struct TenantVersion(string Text)
{
    public static TenantVersion None { get; } = new("");

    public long Count =>
        long.TryParse(Text.AsSpan(0, Math.Max(0, Text.IndexOf(' ', StringComparison.Ordinal))), CultureInfo.InvariantCulture, out var count) ? count : 0;

    /// <summary>Returns a unique version after this one: a store that lost changes reuses counts, but never a version.</summary>
    public TenantVersion Next() => new(string.Create(CultureInfo.InvariantCulture, $"{Count + 1} {Guid.NewGuid():N}"));
}

internal sealed record TenantList(TenantVersion Version, IReadOnlyList<TenantRecord> Tenants)
{
    /// <summary>A null <paramref name="tenant"/> removes it.</summary>
    public TenantList With(TenantVersion version, string id, TenantRecord? tenant) =>
        new(version, [.. Tenants.Where(t => t.Id != id), .. tenant is null ? Array.Empty<TenantRecord>() : [tenant]]);
}

/// <param name="List">The tenants; null if the known version is current.</param>
internal readonly record struct TenantReading(bool Answered, TenantList? List);

/// <summary>The result of writing, and the new version if it is <see cref="WriteOutcome.Done"/>.</summary>
internal readonly record struct TenantWriting(WriteOutcome Outcome, TenantVersion Version = default);

internal enum WriteOutcome
{
    Done,

    /// <summary>The change was not stored because of a concurrent change. Read again.</summary>
    Conflict,

    NoAnswer,
}
