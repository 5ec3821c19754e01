namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A request's body and the facts that the bridge has read from it. The body stage sets it.</summary>
/// <param name="Facts">The facts; the default if no body was read.</param>
/// <param name="Body">The buffered body for repeated attempts; null if the body is streamed, or there is none.</param>
internal sealed record RequestBodyFeature(RequestFacts Facts, ReplayableBody? Body)
{
    /// <summary>The body of a request that has none, or whose body is not read.</summary>
    public static RequestBodyFeature None { get; } = new(default, null);

    /// <summary>The body of a request; <see cref="None"/> if the body stage has not read one.</summary>
    public static RequestBodyFeature Of(HttpContext context) => context.Features.Get<RequestBodyFeature>() ?? None;
}
