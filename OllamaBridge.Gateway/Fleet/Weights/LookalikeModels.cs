using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Finds the models of an instance that may share their weights with another, so that reading their details is worthwhile. Pure.</summary>
internal static class LookalikeModels
{
    /// <summary>The maximum difference in bytes that system prompt, template, license and messages cause; different weights differ by more.</summary>
    private const long MaxDifference = 1 << 20;

    /// <returns>One model for each unread digest whose size is close to another's.</returns>
    public static IEnumerable<CatalogModel> Find(ImmutableArray<CatalogModel> catalog, ModelWeights weights)
    {
        var models = catalog.Where(m => m is { Digest: not null, IsRemote: false, Size: > 0 }).DistinctBy(m => m.Digest, StringComparer.Ordinal)
            .OrderBy(m => m.Size).ToArray();
        for (var i = 0; i < models.Length; i++)
            if (!weights.Contains(models[i].Digest!)
                && ((i > 0 && models[i].Size - models[i - 1].Size <= MaxDifference) || (i + 1 < models.Length && models[i + 1].Size - models[i].Size <= MaxDifference)))
                yield return models[i];
    }
}
