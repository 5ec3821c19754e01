using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>A model's placements in this region and on other regions' bridges, separated once for each snapshot instead of in each decision.</summary>
/// <param name="Here">This region's placements; may be empty.</param>
/// <param name="There">The other regions' bridges.</param>
internal sealed record ModelRegions(ModelView Here, ModelView There)
{
    private readonly ImmutableDictionary<string, ModelView> _byName = There.Placements.ToImmutableDictionary(
        p => p.Instance.Name, p => new ModelView(There.Name, There.State, [p]) { Digest = There.Digest }, StringComparer.OrdinalIgnoreCase);

    public static ModelRegions Of(ModelView whole) => new(
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest },
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => !p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest });

    /// <summary>The placement on one region's bridge; null if that region lacks the model.</summary>
    public ModelView? Find(string region) => _byName.GetValueOrDefault(region);
}
