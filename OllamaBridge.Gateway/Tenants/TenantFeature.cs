namespace OllamaBridge.Gateway.Tenants;

/// <summary>The tenant of a request. The identity stage sets it.</summary>
internal sealed record TenantFeature(Tenant Tenant);

/// <summary>The tenant of a request with the instances that the request may use. The region stage sets it.</summary>
internal sealed record ConfinedTenantFeature(Tenant Tenant)
{
    /// <summary>The tenant of an identified request; <see cref="Tenant.Anonymous"/> before that.</summary>
    public static Tenant Of(HttpContext context) =>
        context.Features.Get<ConfinedTenantFeature>()?.Tenant ?? context.Features.Get<TenantFeature>()?.Tenant ?? Tenant.Anonymous;
}
