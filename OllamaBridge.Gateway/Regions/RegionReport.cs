using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Regions;

/// <summary>What a bridge tells those of other regions: of its own instances alone, never of what it knows of others.</summary>
/// <param name="Region">What it calls itself; absent where it has no name.</param>
/// <param name="Version">The bridge's version.</param>
/// <param name="Instances">How many of its instances can be given work.</param>
/// <param name="Models">What they have.</param>
internal sealed record RegionReport(string? Region, string? Version, int Instances, IReadOnlyList<RegionModel> Models)
{
    /// <summary>What is wrong with a peer that says this of itself; null where nothing is.</summary>
    /// <param name="name">What it is called here.</param>
    /// <param name="self">What this region is called.</param>
    public string? Mistake(string name, string self) =>
        Region is null || string.Equals(Region, name, StringComparison.OrdinalIgnoreCase) ? null
        : string.Equals(Region, self, StringComparison.OrdinalIgnoreCase) ? $"its address leads back to this region, {self}"
        : $"it calls itself '{Region}'";
}

/// <summary>A model in a region.</summary>
/// <param name="Name">Its canonical name.</param>
/// <param name="Instances">How many instances have it and can be given work.</param>
/// <param name="Free">How many requests for it would be begun at once: free slots where it is in memory, or need push nobody out.</param>
/// <param name="Waiting">How many wait for it at the bridge that was asked.</param>
internal sealed record RegionModel(string Name, int Instances, int Free, int Waiting);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RegionReport))]
internal sealed partial class RegionJson : JsonSerializerContext;
