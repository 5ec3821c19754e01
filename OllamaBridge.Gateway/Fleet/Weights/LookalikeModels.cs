using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Which models of an instance may share their weights with another one there, so that it is worth while to read them. Pure.</summary>
internal static class LookalikeModels
{
    /// <summary>The largest difference in bytes that system prompt, template, license and messages make; weights differ by more.</summary>
    private const long MaxDifference = 1 << 20;

    /// <summary>Finds them.</summary>
    /// <param name="catalog">The models of one instance.</param>
    /// <param name="weights">The digests that have been read.</param>
    /// <returns>One model for each digest that has not been read and is nearly as large as another one.</returns>
    public static IEnumerable<CatalogModel> Find(ImmutableArray<CatalogModel> catalog, ModelWeights weights)
    {
        var models = catalog.Where(m => m is { Digest: not null, IsRemote: false, Size: > 0 }).DistinctBy(m => m.Digest, StringComparer.Ordinal).OrderBy(m => m.Size).ToArray();
        for (var i = 0; i < models.Length; i++)
            if (!weights.Knows(models[i].Digest!)
                && ((i > 0 && models[i].Size - models[i - 1].Size <= MaxDifference) || (i + 1 < models.Length && models[i + 1].Size - models[i].Size <= MaxDifference)))
                yield return models[i];
    }
}
