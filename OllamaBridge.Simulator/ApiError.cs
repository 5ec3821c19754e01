namespace OllamaBridge.Simulator;

/// <summary>A request that fails with a status and a message; the protocol decides how the body looks.</summary>
internal sealed class ApiError(int status, string message) : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>On /v1: the error was found before Ollama's own handler ran, so its body has the plain framing.</summary>
    public bool EarlyOnV1 { get; init; }

    /// <summary>The error came up where a stream would have begun: the head is the stream's, not a reply's.</summary>
    public bool WhereStreamBegins { get; init; }
}
