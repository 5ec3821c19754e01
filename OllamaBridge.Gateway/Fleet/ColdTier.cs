using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Instances that may stand at zero and are started when one of their models is asked for.</summary>
/// <param name="name">What operators call it.</param>
/// <param name="models">Its models, as clients write them.</param>
/// <param name="prefix">How its instances' names begin.</param>
/// <param name="startTimeout">How long a request may wait for an instance that is being started.</param>
internal sealed class ColdTier(string name, IEnumerable<string> models, string prefix, TimeSpan startTimeout)
{
    /// <summary>What operators call it.</summary>
    public string Name { get; } = name;

    /// <summary>Its models, as they are listed while nothing more is known of them.</summary>
    public ImmutableArray<CatalogModel> Models { get; } = [.. models.Select(Unseen)];

    /// <summary>Its instances' names, as <see cref="Identity.InstanceAccess"/> writes such: a beginning and <c>*</c>.</summary>
    public string Pattern { get; } = prefix + "*";

    /// <summary>How long a request may wait for an instance that is being started.</summary>
    public TimeSpan StartTimeout { get; } = startTimeout;

    /// <summary>Whether its models are its instances' alone. On one model folder every server lists them, and none but its own is made for them.</summary>
    public bool IsExclusive { get; init; } = true;

    /// <summary>Whether an instance is one of its own.</summary>
    /// <param name="instance">The instance's name.</param>
    public bool Owns(string instance) => instance.AsSpan().StartsWith(Pattern.AsSpan(0, Pattern.Length - 1), StringComparison.OrdinalIgnoreCase);

    /// <summary>An entry with every field that a server's has: clients cut the digest and read the details without asking whether they are there.</summary>
    private static CatalogModel Unseen(string model)
    {
        var listed = ModelName.WithTag(model);
        return new CatalogModel(ModelName.KeyOf(model), listed, DateTimeOffset.UnixEpoch, JsonSerializer.SerializeToUtf8Bytes(
            new UnseenModel(listed, listed, "1970-01-01T00:00:00Z", 0, new string('0', 64), new UnseenDetails("", "", "", null, "", "")),
            ColdJson.Default.UnseenModel));
    }
}

/// <summary>Every cold tier; no two name the same model.</summary>
internal sealed class ColdTiers(IEnumerable<ColdTier> tiers)
{
    private readonly FrozenDictionary<string, ColdTier> _byModel = tiers
        .SelectMany(t => t.Models.Select(m => (m.Key, Tier: t)))
        .ToFrozenDictionary(m => m.Key, m => m.Tier, StringComparer.Ordinal);

    /// <summary>There is none.</summary>
    public static ColdTiers None { get; } = new([]);

    /// <summary>All of them.</summary>
    public ImmutableArray<ColdTier> All { get; } = [.. tiers];

    /// <summary>The tier that has a model; null for none.</summary>
    /// <param name="model">The model's canonical name.</param>
    public ColdTier? Find(string model) => _byModel.GetValueOrDefault(model);
}

/// <summary>A model that is there even while no instance has it.</summary>
/// <param name="Tier">Whose instances would.</param>
/// <param name="Model">What was last seen of it; else what is configured.</param>
internal sealed record ColdModel(ColdTier Tier, CatalogModel Model);

/// <summary>An entry of <c>/api/tags</c>, with the fields of a server's.</summary>
internal sealed record UnseenModel(string Name, string Model, string ModifiedAt, long Size, string Digest, UnseenDetails Details);

/// <summary>Its details.</summary>
internal sealed record UnseenDetails(
    string ParentModel, string Format, string Family, IReadOnlyList<string>? Families, string ParameterSize, string QuantizationLevel);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(UnseenModel))]
internal sealed partial class ColdJson : JsonSerializerContext;
