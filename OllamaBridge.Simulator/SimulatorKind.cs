namespace OllamaBridge.Simulator;

/// <summary>What a simulated server speaks.</summary>
public enum SimulatorKind
{
    /// <summary>All that Ollama does.</summary>
    Ollama,

    /// <summary>OpenAI's API alone, as vLLM: models of <see cref="SimulatorOptions.Served"/>, always in memory.</summary>
    OpenAI,
}
