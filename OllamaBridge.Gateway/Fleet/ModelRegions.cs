using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>A model's instances here, and those bridges of other regions that have it: made once for each snapshot, so that no decision has to tell them apart.</summary>
/// <param name="Here">This region's; perhaps none.</param>
/// <param name="There">The other regions' bridges.</param>
internal sealed record ModelRegions(ModelView Here, ModelView There)
{
    private readonly ImmutableDictionary<string, ModelView> _byName = There.Placements.ToImmutableDictionary(
        p => p.Instance.Name, p => new ModelView(There.Name, There.State, [p]) { Digest = There.Digest }, StringComparer.OrdinalIgnoreCase);

    /// <summary>Divides a model.</summary>
    public static ModelRegions Of(ModelView whole) => new(
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest },
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => !p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest });

    /// <summary>One region's bridge alone; null where it does not have the model.</summary>
    /// <param name="region">Its name.</param>
    public ModelView? Find(string region) => _byName.GetValueOrDefault(region);
}
