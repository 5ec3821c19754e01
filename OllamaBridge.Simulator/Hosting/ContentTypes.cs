namespace OllamaBridge.Simulator.Hosting;

/// <summary>The content types that Ollama writes.</summary>
internal static class ContentTypes
{
    /// <summary>What gin writes for JSON.</summary>
    public const string Json = "application/json; charset=utf-8";

    /// <summary>What Ollama's own writers for /v1 set.</summary>
    public const string BareJson = "application/json";
    public const string NdJson = "application/x-ndjson";
    public const string EventStream = "text/event-stream";
    public const string Text = "text/plain; charset=utf-8";
    public const string BareText = "text/plain";
    public const string Html = "text/html; charset=utf-8";
}
