using System.Collections.Frozen;
using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An instance whose model of a name is another one than the fleet serves under that name.</summary>
/// <param name="Model">The model's canonical name.</param>
/// <param name="Instance">The instance.</param>
/// <param name="Digest">The digest that it has.</param>
/// <param name="Served">The digest that the fleet serves.</param>
internal readonly record struct DigestMismatch(string Model, Instance Instance, string Digest, string Served)
{
    /// <summary>The beginning of a digest, as <c>ollama list</c> shows it.</summary>
    public static string Short(string digest) => digest.Length > 12 ? digest[..12] : digest;
}

/// <summary>Which digest of a name is served where instances have different ones under it. Pure.</summary>
/// <param name="configured">Digests by canonical name, or beginnings of them; a name that is missing has none.</param>
/// <remarks>
/// The newest one (<c>modified_at</c>) of those that instances have that can be given work, so that a newly pulled model is used at once,
/// and a name does not vanish with the only instance that has the newest. Bridges of other regions follow those that are here.
/// </remarks>
internal sealed class ModelDigests(IReadOnlyDictionary<string, string>? configured = null)
{
    private readonly FrozenDictionary<string, string> _configured =
        (configured ?? FrozenDictionary<string, string>.Empty).ToFrozenDictionary(p => p.Key, p => Normalize(p.Value)!, StringComparer.Ordinal);

    /// <summary>No digest is configured.</summary>
    public static ModelDigests Newest { get; } = new();

    /// <summary>A digest as it is compared: without <c>sha256:</c>, in lower case; null for none.</summary>
    public static string? Normalize(string? digest)
    {
        if (string.IsNullOrWhiteSpace(digest))
            return null;
        var text = digest.Trim().ToLowerInvariant();
        return text.StartsWith("sha256:", StringComparison.Ordinal) ? text["sha256:".Length..] : text;
    }

    /// <summary>Divides the placements of a model into those of the digest that is served and the others.</summary>
    /// <param name="key">The model's canonical name.</param>
    /// <param name="all">Its placements. One without a digest fits to every digest.</param>
    /// <returns>The digest, null if no instance tells one; the placements that are served; the others.</returns>
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
        var served = pinned is null ? ChooseNewest(all) : all.Select(p => p.Digest).FirstOrDefault(d => d?.StartsWith(pinned, StringComparison.Ordinal) == true) ?? pinned;
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

    /// <summary>Ours before other regions', then those that can be given work, then the newest.</summary>
    private static int Compare(ModelPlacement a, ModelPlacement b)
    {
        var order = b.Instance.IsPeer.CompareTo(a.Instance.IsPeer);
        if (order == 0)
            order = a.View.IsUsable.CompareTo(b.View.IsUsable);
        return order != 0 ? order : a.ModifiedAt.CompareTo(b.ModifiedAt);
    }
}

/// <summary>The digest that began an answer, so that only that digest continues it. The default allows any.</summary>
/// <param name="IsSet">Whether there is one.</param>
/// <param name="Digest">The digest; null if its instance does not tell one.</param>
internal readonly record struct DigestPin(bool IsSet, string? Digest)
{
    /// <summary>The pin of an answer that begins at a placement.</summary>
    public static DigestPin Of(ModelPlacement placement) => new(true, placement.Digest);
}
