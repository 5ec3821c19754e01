namespace OllamaBridge.Simulator.Hosting;

/// <summary>Content types in Ollama's responses.</summary>
internal static class ContentTypes
{
    /// <summary>gin's content type for JSON.</summary>
    public const string Json = "application/json; charset=utf-8";

    /// <summary>The content type of Ollama's own writers for /v1.</summary>
    public const string BareJson = "application/json";
    public const string NdJson = "application/x-ndjson";
    public const string EventStream = "text/event-stream";
    public const string Text = "text/plain; charset=utf-8";
    public const string BareText = "text/plain";
    public const string Html = "text/html; charset=utf-8";
}
