using System.Diagnostics;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The source of the bridge's spans: <c>queue</c>, <c>decide</c>, and one client span for each attempt.</summary>
/// <remarks>Without a listener a span costs one comparison. No span contains a prompt, a response or a key.</remarks>
internal static class BridgeTracing
{
    public static readonly ActivitySource Source = new(TelemetryNames.ActivitySource);

    /// <summary>Whether an activity has a listener. ASP.NET Core also creates activities for log scopes without tracing, with all data requested.</summary>
    public static bool HasListener(Activity activity) => activity.Source.HasListeners();

    public static Activity Describe(Activity span, Operation operation, string model)
    {
        span.SetTag(TelemetryNames.GenAiOperation, Labels.OfGenAi(operation));
        span.SetTag(TelemetryNames.GenAiProvider, TelemetryNames.Ollama);
        if (model.Length > 0)
            span.SetTag(TelemetryNames.GenAiRequestModel, model);
        return span;
    }
}
