namespace OllamaBridge.Gateway.Identity;

/// <summary>Whose a request is, once its key or its source network has been checked. A feature of the HTTP context.</summary>
/// <param name="Tenant">The tenant.</param>
/// <param name="KeyId">The id of the key; null for a tenant that is known by its source network.</param>
internal sealed record CallerIdentity(Tenant Tenant, string? KeyId);
