using System.Globalization;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Keeps the tenants that operators made through the API. Asked in the background and on changes, never on a request's way.</summary>
internal interface ITenantStore
{
    /// <summary>Whether others may change it as well, so that it is to be looked at again and again.</summary>
    bool IsShared { get; }

    /// <summary>All tenants, where they are not known yet.</summary>
    /// <param name="known">The version that is known; null to have them in any case.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<TenantReading> ReadAsync(TenantVersion? known, CancellationToken cancellationToken);

    /// <summary>Puts a tenant in place of the one with its name, unless anything was changed since a version.</summary>
    /// <param name="known">The version that the change is made to.</param>
    /// <param name="id">The tenant's name.</param>
    /// <param name="tenant">What it becomes; null to forget it.</param>
    /// <param name="cancellationToken">Ends the wait; whether the change was made is then not known.</param>
    ValueTask<TenantWriting> ReplaceAsync(TenantVersion known, string id, TenantRecord? tenant, CancellationToken cancellationToken);
}

/// <summary>One state of all stored tenants: how many changes it took, and a mark of the last. None, where nothing was ever stored.</summary>
/// <param name="Text">As it is stored; empty for none.</param>
internal readonly record struct TenantVersion(string Text)
{
    /// <summary>Before the first change.</summary>
    public static TenantVersion None { get; } = new("");

    /// <summary>How many changes.</summary>
    public long Count => long.TryParse(Text.AsSpan(0, Math.Max(0, Text.IndexOf(' ', StringComparison.Ordinal))), CultureInfo.InvariantCulture, out var count) ? count : 0;

    /// <summary>A version that comes after this one and is no other's: a store that lost changes counts again, but never comes to the same.</summary>
    public TenantVersion Next() => new(string.Create(CultureInfo.InvariantCulture, $"{Count + 1} {Guid.NewGuid():N}"));
}

/// <summary>All stored tenants at one version.</summary>
internal sealed record TenantList(TenantVersion Version, IReadOnlyList<TenantRecord> Tenants)
{
    /// <summary>The list after a change.</summary>
    public TenantList With(TenantVersion version, string id, TenantRecord? tenant) =>
        new(version, [.. Tenants.Where(t => t.Id != id), .. tenant is null ? Array.Empty<TenantRecord>() : [tenant]]);
}

/// <summary>What came of reading.</summary>
/// <param name="Answered">Whether the store answered.</param>
/// <param name="List">What is new; null where nothing is.</param>
internal readonly record struct TenantReading(bool Answered, TenantList? List);

/// <summary>What came of writing.</summary>
/// <param name="Outcome">Whether it was done.</param>
/// <param name="Version">The version that it made.</param>
internal readonly record struct TenantWriting(WriteOutcome Outcome, TenantVersion Version = default);

/// <summary>Whether a change was stored.</summary>
internal enum WriteOutcome
{
    /// <summary>It was.</summary>
    Done,

    /// <summary>It was not: somebody else has changed something. To be read again.</summary>
    Conflict,

    /// <summary>The store does not answer.</summary>
    NoAnswer,
}
