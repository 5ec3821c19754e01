using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>A model's placements in this region, which may be empty, and on other regions' bridges. Separated once for each snapshot.</summary>
internal sealed record ModelRegions(ModelView Here, ModelView There)
{
    private readonly ImmutableDictionary<string, ModelView> _byName = There.Placements.ToImmutableDictionary(
        p => p.Instance.Name, p => new ModelView(There.Name, There.State, [p]) { Digest = There.Digest }, StringComparer.OrdinalIgnoreCase);

    public static ModelRegions Of(ModelView whole) => new(
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest },
        new ModelView(whole.Name, whole.State, whole.Placements.RemoveAll(p => !p.Instance.IsPeer)) { Part = whole.Part, Digest = whole.Digest });

    public ModelView? Find(string region) => _byName.GetValueOrDefault(region);
}
