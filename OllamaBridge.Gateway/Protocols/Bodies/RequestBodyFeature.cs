namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>The body stage sets it. <paramref name="Body"/> is null if the body is streamed, or there is none.</summary>
internal sealed record RequestBodyFeature(RequestFacts Facts, ReplayableBody? Body)
{
    public static RequestBodyFeature None { get; } = new(default, null);

    public static RequestBodyFeature Of(HttpContext context) => context.Features.Get<RequestBodyFeature>() ?? None;
}
