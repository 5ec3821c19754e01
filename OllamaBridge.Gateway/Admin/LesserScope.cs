using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Metadata of an endpoint that a key without <see cref="Scopes.Admin"/> may use if it has <paramref name="Scope"/>.</summary>
internal sealed record LesserScope(Scopes Scope)
{
    /// <summary>Returns the sufficient scope for a request's endpoint.</summary>
    public static Scopes Of(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<LesserScope>()?.Scope ?? Scopes.None;
}
