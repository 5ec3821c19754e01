using Microsoft.OpenApi;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The operators' API as an OpenAPI document, for generators of clients.</summary>
internal static class ApiDescription
{
    public const string Path = "/bridge/openapi.json";

    /// <summary>The media type of a JSON merge patch (RFC 7396).</summary>
    public const string MergePatch = "application/merge-patch+json";

    private const string Scheme = "operator";

    /// <summary>Adds the document of the endpoints under <c>/bridge</c>. The APIs of Ollama, OpenAI and Anthropic are not part of it.</summary>
    public static IServiceCollection AddApiDescription(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.ShouldInclude = endpoint => endpoint.RelativePath?.StartsWith("bridge/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "OllamaBridge",
                Version = "1",
                Description = "The operators' API. It requires an API key with the scope Admin. Until such a key exists, it accepts requests from the bridge's own machine. Errors are problem details (RFC 9457).",
            };
            document.Servers?.Clear();
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes[Scheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "An API key with the scope Admin.",
            };
            document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Scheme, document)] = [] }];
            return Task.CompletedTask;
        });
    });

    /// <summary>Maps the document. <see cref="OperatorGate"/> controls access to it.</summary>
    public static void MapApiDescription(this IEndpointRouteBuilder endpoints) => endpoints.MapOpenApi(Path);

    /// <summary>Documents the body of an endpoint that reads it itself, regardless of the request's content type.</summary>
    public static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder endpoint, string contentType = "application/json") =>
        endpoint.WithMetadata(new RequestBodyMetadata()).AddOpenApiOperationTransformer(async (operation, context, cancellationToken) =>
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [contentType] = new() { Schema = await context.GetOrCreateSchemaAsync(typeof(T), cancellationToken: cancellationToken) },
            },
        });

    /// <summary><paramref name="problems"/> lists the statuses of errors besides 401, 403 and 503, which every endpoint may return.</summary>
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder endpoint, string name, string summary, params ReadOnlySpan<int> problems)
    {
        endpoint.WithName(name).WithSummary(summary);
        foreach (var status in (ReadOnlySpan<int>)[.. problems, StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status503ServiceUnavailable])
            endpoint.ProducesProblem(status);
        return endpoint;
    }
}

internal sealed class RequestBodyMetadata;
