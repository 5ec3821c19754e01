namespace OllamaBridge.AppHost;

/// <summary>The kind of the instances.</summary>
public enum FleetBackend
{
    /// <summary>Chosen at start: external if there are addresses, containers if a container runtime answers, else <c>ollama</c> on PATH, else
    /// simulators.</summary>
    Auto,

    /// <summary>Ollama's image, run by Docker or Podman.</summary>
    Container,

    /// <summary><c>ollama serve</c> from PATH, several servers with one model folder.</summary>
    Executable,

    /// <summary>Simulated servers, which need nothing installed.</summary>
    Simulator,

    /// <summary>Servers that run already, given by their addresses.</summary>
    External,
}
