namespace OllamaBridge.Gateway.Pipeline;

/// <summary>A stage of <see cref="GatewayPipeline"/>. It sets features of the request for later stages, or responds. It names no other stage.</summary>
internal interface IRequestStage
{
    Task InvokeAsync(HttpContext context, RequestDelegate next);
}
