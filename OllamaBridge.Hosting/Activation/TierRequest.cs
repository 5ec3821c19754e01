using System.Text.Json.Serialization;

namespace OllamaBridge.Hosting;

/// <summary>A bridge's request for instances: the body that its activator <c>Http</c> sends.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="Instances">The number of instances that shall run.</param>
internal sealed record TierRequest(string? Tier, int? Instances);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TierRequest))]
internal sealed partial class TierJson : JsonSerializerContext;
