using System.Diagnostics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>The tags of the server span of a request.</summary>
internal static class RequestTracing
{
    /// <summary>Completes the server span, which ASP.NET Core creates without the route.</summary>
    public static void DescribeServer(Activity span, BridgeCall call, HttpRequest request)
    {
        BridgeTracing.Describe(span, call.Operation, call.ModelKey);
        var path = request.Path.Value ?? "";
        // A name or digest at the end of the path would make each span's name unique.
        var route = call.Rest.Length > 0 && path.EndsWith(call.Rest, StringComparison.Ordinal) ? $"{path[..^call.Rest.Length]}{{name}}" : path;
        span.DisplayName = $"{request.Method} {route}";
        span.SetTag(TelemetryNames.HttpRoute, route);
        if (call.InputTokens > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, call.InputTokens);
        if (call.OutputTokens > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, call.OutputTokens);
        if (call.AnsweredBy is { } instance)
            span.SetTag(TelemetryNames.BridgeInstance, instance.Name);
        span.SetTag(TelemetryNames.BridgeAttempts, call.Attempts);
    }
}
