using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Activation;

/// <summary>What <see cref="HttpActivator"/> sends.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="Instances">How many instances there are to be.</param>
internal sealed record TierRequest(string Tier, int Instances);

/// <summary>A JSON merge patch (RFC 7386) of a <c>Scale</c>.</summary>
internal sealed record ScalePatch(PatchedMetadata Metadata, PatchedSpec Spec);

/// <summary>The version that is changed; another one is left alone (409).</summary>
internal sealed record PatchedMetadata(string? ResourceVersion);

/// <summary>How many there are to be.</summary>
internal sealed record PatchedSpec(int Replicas);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TierRequest))]
[JsonSerializable(typeof(ScalePatch))]
internal sealed partial class ActivationJson : JsonSerializerContext;
