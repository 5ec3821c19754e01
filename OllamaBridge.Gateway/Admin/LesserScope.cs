using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Metadata of an endpoint for which a key needs less than <see cref="Scopes.Admin"/>.</summary>
/// <param name="Scope">What it needs.</param>
internal sealed record LesserScope(Scopes Scope)
{
    /// <summary>What suffices for a request's endpoint.</summary>
    public static Scopes Of(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<LesserScope>()?.Scope ?? Scopes.None;
}
