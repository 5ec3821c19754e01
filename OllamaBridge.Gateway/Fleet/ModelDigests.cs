using System.Collections.Frozen;
using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An instance whose model has another digest than the one that the fleet serves under its name.</summary>
internal readonly record struct DigestMismatch(string Model, Instance Instance, string Digest, string Served)
{
    public static string Short(string digest) => digest.Length > 12 ? digest[..12] : digest;
}

/// <summary>Chooses the served digest: the configured one, else the newest (<c>modified_at</c>) on a usable instance, preferably of this region. Pure.</summary>
/// <param name="configured">Digests by canonical name, or their first digits; a missing name has none.</param>
internal sealed class ModelDigests(IReadOnlyDictionary<string, string>? configured = null)
{
    private readonly FrozenDictionary<string, string> _configured =
        (configured ?? FrozenDictionary<string, string>.Empty).ToFrozenDictionary(p => p.Key, p => Normalize(p.Value)!, StringComparer.Ordinal);

    public static ModelDigests Newest { get; } = new();

    /// <summary>The form of a digest for comparisons: without <c>sha256:</c>, in lower case; null for none.</summary>
    public static string? Normalize(string? digest)
    {
        if (string.IsNullOrWhiteSpace(digest))
            return null;
        var text = digest.Trim().ToLowerInvariant();
        return text.StartsWith("sha256:", StringComparison.Ordinal) ? text["sha256:".Length..] : text;
    }

    /// <summary>Divides placements into those with the served digest and the others. A placement without a digest matches every digest.</summary>
    public (string? Digest, ImmutableArray<ModelPlacement> Served, ImmutableArray<ModelPlacement> Others) Divide(string key, ImmutableArray<ModelPlacement> all)
    {
        string? only = null;
        var isOne = true;
        foreach (var placement in all)
            if (placement.Digest is { } digest)
            {
                isOne &= only is null || only == digest;
                only = digest;
            }

        var pinned = _configured.GetValueOrDefault(key);
        if (isOne && (pinned is null || only is null || only.StartsWith(pinned, StringComparison.Ordinal)))
            return (only, all, []);
        var served = pinned is null
            ? ChooseNewest(all)
            : all.Select(p => p.Digest).FirstOrDefault(d => d?.StartsWith(pinned, StringComparison.Ordinal) == true) ?? pinned;
        return (served, all.RemoveAll(p => p.Digest is not null && p.Digest != served), all.RemoveAll(p => p.Digest is null || p.Digest == served));
    }

    private static string ChooseNewest(ImmutableArray<ModelPlacement> all)
    {
        ModelPlacement? best = null;
        foreach (var placement in all)
            if (placement.Digest is not null && (best is null || Compare(placement, best) > 0))
                best = placement;
        return best!.Digest!;
    }

    /// <summary>Orders this region before others, then usable placements first, then the newest first.</summary>
    private static int Compare(ModelPlacement a, ModelPlacement b)
    {
        var order = b.Instance.IsPeer.CompareTo(a.Instance.IsPeer);
        if (order == 0)
            order = a.View.IsUsable.CompareTo(b.View.IsUsable);
        return order != 0 ? order : a.ModifiedAt.CompareTo(b.ModifiedAt);
    }
}

/// <summary>The digest that began a response: only the same may continue it. The default allows any; <c>Digest</c> is null if the instance reports none.</summary>
internal readonly record struct DigestPin(bool IsSet, string? Digest)
{
    public static DigestPin Of(ModelPlacement placement) => new(true, placement.Digest);
}
