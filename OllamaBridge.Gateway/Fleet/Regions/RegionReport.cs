using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>A report to other regions about the instances of this region, never about its peers. <c>Region</c> is absent if the region has no name.</summary>
internal sealed record RegionReport(string? Region, string? Version, int Instances, IReadOnlyList<RegionModel> Models)
{
    public string? Mistake(string name, string self) =>
        Region is null || string.Equals(Region, name, StringComparison.OrdinalIgnoreCase) ? null
        : string.Equals(Region, self, StringComparison.OrdinalIgnoreCase) ? $"its URL points to this region, {self}"
        : $"it reports the name '{Region}'";
}

/// <summary>The capacity of a region for one model.</summary>
/// <param name="Name">Canonical model name.</param>
/// <param name="Instances">Number of usable instances that have the model.</param>
/// <param name="Free">Number of requests that could start at once: free slots of instances with the model loaded, or with room to load it.</param>
/// <param name="Waiting">Number of requests that wait for the model at the reporting gateway.</param>
internal sealed record RegionModel(string Name, int Instances, int Free, int Waiting);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RegionReport))]
internal sealed partial class RegionJson : JsonSerializerContext;
