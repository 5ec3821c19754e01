using System.Text.Json.Serialization;

namespace OllamaBridge.Hosting;

/// <summary>What a bridge asks for: the body that its activator <c>Http</c> sends.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="Instances">How many of its instances are to run.</param>
internal sealed record TierWish(string? Tier, int? Instances);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TierWish))]
internal sealed partial class TierJson : JsonSerializerContext;
