using Microsoft.OpenApi;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The bridge's own API as an OpenAPI document, for tools that make clients of it.</summary>
internal static class ApiDescription
{
    /// <summary>Where it is.</summary>
    public const string Path = "/bridge/openapi.json";

    /// <summary>The type of a JSON merge patch.</summary>
    public const string MergePatch = "application/merge-patch+json";

    private const string Scheme = "operator";

    /// <summary>Adds what describes the endpoints. Of the models' routes it says nothing: those are Ollama's, OpenAI's and Anthropic's to describe.</summary>
    public static IServiceCollection AddApiDescription(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.ShouldInclude = endpoint => endpoint.RelativePath?.StartsWith("bridge/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "OllamaBridge",
                Version = "1",
                Description = "The operator's API. Until some key has the scope Admin it answers callers on the bridge's own machine; then whoever has such a key. Errors are problem details (RFC 9457).",
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

    /// <summary>Maps the document. <see cref="OperatorGate"/> decides who gets it.</summary>
    public static void MapApiDescription(this IEndpointRouteBuilder endpoints) => endpoints.MapOpenApi(Path);

    /// <summary>Says what an endpoint's body is. It reads that itself, whatever type of content a caller names.</summary>
    public static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder endpoint, string contentType = "application/json") => endpoint.AddOpenApiOperationTransformer(async (operation, context, cancellationToken) =>
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [contentType] = new() { Schema = await context.GetOrCreateSchemaAsync(typeof(T), cancellationToken: cancellationToken) },
            },
        });

    /// <summary>Says what an endpoint answers besides what it is there for.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="name">Its name, for clients that are made of the document.</param>
    /// <param name="summary">What it does.</param>
    /// <param name="problems">The statuses of its problems, beside 401, 403 and 503, which any may have.</param>
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder endpoint, string name, string summary, params ReadOnlySpan<int> problems)
    {
        endpoint.WithName(name).WithSummary(summary);
        foreach (var status in (ReadOnlySpan<int>)[.. problems, StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status503ServiceUnavailable])
            endpoint.ProducesProblem(status);
        return endpoint;
    }
}
