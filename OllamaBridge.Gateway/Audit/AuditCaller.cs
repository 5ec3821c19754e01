using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Audit;

/// <summary><paramref name="Actor"/> is a value of <see cref="AuditActors"/>; address and request id are null if no request makes the change.</summary>
internal sealed record AuditCaller(string Actor, string? Key = null, string? Tenant = null, string? Address = null, string? RequestId = null)
{
    /// <summary>The sender of a request to the operators' API; <paramref name="isAllowed"/> is false if the request was refused.</summary>
    public static AuditCaller OfOperator(HttpContext context, bool isAllowed)
    {
        var identity = context.Features.Get<CallerIdentity>();
        var actor = identity is { Tenant.Scopes: var scopes } && !scopes.HasFlag(Scopes.Admin) && scopes.HasFlag(Scopes.Drain) ? AuditActors.ClusterHook
            : isAllowed || identity is not null ? AuditActors.Operator
            : AuditActors.Unauthenticated;
        return Of(context, actor, identity?.KeyId, identity?.Tenant.Id);
    }

    /// <summary>The sender of a request that changes models, and the tenant of that request.</summary>
    public static AuditCaller OfClient(HttpContext context, Tenant tenant) =>
        context.Response.StatusCode == StatusCodes.Status401Unauthorized
            ? Of(context, AuditActors.Unauthenticated, null, null)
            : Of(context, AuditActors.Client, context.Features.Get<CallerIdentity>()?.KeyId, tenant.Id);

    private static AuditCaller Of(HttpContext context, string actor, string? key, string? tenant) =>
        new(actor, key, tenant, Caller.AddressOf(context), context.TraceIdentifier);
}
