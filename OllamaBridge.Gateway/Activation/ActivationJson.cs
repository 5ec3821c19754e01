using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Activation;

/// <summary>The request body of <see cref="HttpActivator"/>. <c>Instances</c> is the desired number.</summary>
internal sealed record TierRequest(string Tier, int Instances);

/// <summary>A JSON merge patch (RFC 7386) of a <c>Scale</c>.</summary>
internal sealed record ScalePatch(PatchedMetadata Metadata, PatchedSpec Spec);

/// <summary>The expected resource version; the API server rejects the patch with 409 if the object has another.</summary>
internal sealed record PatchedMetadata(string? ResourceVersion);

internal sealed record PatchedSpec(int Replicas);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TierRequest))]
[JsonSerializable(typeof(ScalePatch))]
internal sealed partial class ActivationJson : JsonSerializerContext;
