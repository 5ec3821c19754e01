using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

internal static class RequestTracing
{
    /// <summary>Completes the server span, which ASP.NET Core creates without the route.</summary>
    public static void DescribeServer(Activity span, HttpContext context, RequestResult result)
    {
        var (operation, rest) = context.Features.GetRequiredFeature<OperationFeature>();
        var request = context.Request;
        BridgeTracing.Describe(span, operation, context.Features.Get<ModelSelection>()?.Key ?? "");
        var path = request.Path.Value ?? "";
        // A name or digest at the end of the path would make each span's name unique.
        var route = rest.Length > 0 && path.EndsWith(rest, StringComparison.Ordinal) ? $"{path[..^rest.Length]}{{name}}" : path;
        span.DisplayName = $"{request.Method} {route}";
        span.SetTag(TelemetryNames.HttpRoute, route);
        if (result.InputTokens > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, result.InputTokens);
        if (result.OutputTokens > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, result.OutputTokens);
        if (result.AnsweredBy is { } instance)
            span.SetTag(TelemetryNames.BridgeInstance, instance.Name);
        span.SetTag(TelemetryNames.BridgeAttempts, result.Attempts);
    }
}
