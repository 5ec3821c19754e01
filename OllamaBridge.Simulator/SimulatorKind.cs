namespace OllamaBridge.Simulator;

/// <summary>The API of a simulated server.</summary>
public enum SimulatorKind
{
    /// <summary>Ollama's API.</summary>
    Ollama,

    /// <summary>Only OpenAI's API, as of vLLM: models of <see cref="SimulatorOptions.Served"/>, always in memory.</summary>
    OpenAI,
}
