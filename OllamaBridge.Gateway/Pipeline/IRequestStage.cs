namespace OllamaBridge.Gateway.Pipeline;

/// <summary>A stage of <see cref="GatewayPipeline"/>. It sets features of the request for later stages, or responds. It names no other stage.</summary>
internal interface IRequestStage
{
    /// <summary>Handles a request; <paramref name="next"/> is the rest of the pipeline.</summary>
    Task InvokeAsync(HttpContext context, RequestDelegate next);
}
