using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>A group of instances that may be scaled to zero and is started when a request needs one of its models.</summary>
/// <param name="models">The models' names, as clients write them.</param>
internal sealed class ColdTier(string name, IEnumerable<string> models, string prefix, TimeSpan startTimeout)
{
    public string Name { get; } = name;

    public ImmutableArray<CatalogModel> Models { get; } = [.. models.Select(Unseen)];

    public string Pattern { get; } = prefix + "*";

    public TimeSpan StartTimeout { get; } = startTimeout;

    /// <summary>Whether only this tier's instances serve its models, even if other servers list them because they share a model folder.</summary>
    public bool IsExclusive { get; init; } = true;

    public bool Owns(string instance) => instance.AsSpan().StartsWith(Pattern.AsSpan(0, Pattern.Length - 1), StringComparison.OrdinalIgnoreCase);

    /// <summary>An entry with every field of a server's entry: clients shorten the digest and read the details without a check for null.</summary>
    private static CatalogModel Unseen(string model)
    {
        var listed = ModelName.WithTag(model);
        return new CatalogModel(ModelName.KeyOf(model), listed, DateTimeOffset.UnixEpoch, JsonSerializer.SerializeToUtf8Bytes(
            new UnseenModel(listed, listed, "1970-01-01T00:00:00Z", 0, new string('0', 64), new UnseenDetails("", "", "", null, "", "")),
            ColdJson.Default.UnseenModel));
    }
}

/// <summary>All cold tiers. No model belongs to two of them.</summary>
internal sealed class ColdTiers(IEnumerable<ColdTier> tiers)
{
    private readonly FrozenDictionary<string, ColdTier> _byModel = tiers
        .SelectMany(t => t.Models.Select(m => (m.Key, Tier: t)))
        .ToFrozenDictionary(m => m.Key, m => m.Tier, StringComparer.Ordinal);

    public static ColdTiers None { get; } = new([]);

    public ImmutableArray<ColdTier> All { get; } = [.. tiers];

    public ColdTier? Find(string model) => _byModel.GetValueOrDefault(model);
}

/// <summary>A model that the fleet lists while no instance has it: as an instance last reported it, else made from the configuration.</summary>
internal sealed record ColdModel(ColdTier Tier, CatalogModel Model);

/// <summary>An entry of <c>/api/tags</c> with the fields of a server's entry.</summary>
internal sealed record UnseenModel(string Name, string Model, string ModifiedAt, long Size, string Digest, UnseenDetails Details);

internal sealed record UnseenDetails(
    string ParentModel, string Format, string Family, IReadOnlyList<string>? Families, string ParameterSize, string QuantizationLevel);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(UnseenModel))]
internal sealed partial class ColdJson : JsonSerializerContext;
