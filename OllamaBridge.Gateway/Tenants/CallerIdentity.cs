namespace OllamaBridge.Gateway.Tenants;

/// <summary>The tenant of a request whose key or source network has been checked. A feature of the HTTP context.</summary>
internal sealed record CallerIdentity(Tenant Tenant, string? KeyId);
