using System.Diagnostics;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The tags of instruments that follow OpenTelemetry's conventions for generative AI.</summary>
internal static class GenAiTags
{
    public static TagList Of(string operation, string model) => new()
    {
        { TelemetryNames.GenAiOperation, operation },
        { TelemetryNames.GenAiProvider, TelemetryNames.Ollama },
        { TelemetryNames.GenAiRequestModel, model },
    };
}
