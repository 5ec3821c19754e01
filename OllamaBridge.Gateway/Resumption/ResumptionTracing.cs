using System.Diagnostics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Resumption;

internal static class ResumptionTracing
{
    public static void RecordInterruption(Interruption cause) => Activity.Current?.AddEvent(new ActivityEvent(
        TelemetryNames.InterruptionEvent, tags: new ActivityTagsCollection { [TelemetryNames.ErrorType] = Labels.Of(cause) }));
}
