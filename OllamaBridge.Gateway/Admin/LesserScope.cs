using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Metadata of an endpoint that a key without <see cref="Scopes.Admin"/> may use if it has <paramref name="Scope"/>.</summary>
internal sealed record LesserScope(Scopes Scope)
{
    public static Scopes Of(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<LesserScope>()?.Scope ?? Scopes.None;
}
