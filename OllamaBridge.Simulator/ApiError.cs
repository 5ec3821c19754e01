namespace OllamaBridge.Simulator;

/// <summary>A request that fails with a status and a message; the protocol determines the body.</summary>
internal sealed class ApiError(int status, string message) : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>On /v1: the error precedes Ollama's own handler, so its body has the plain framing.</summary>
    public bool EarlyOnV1 { get; init; }

    /// <summary>The error occurs when a stream would begin: its headers are those of a stream.</summary>
    public bool WhereStreamBegins { get; init; }
}
