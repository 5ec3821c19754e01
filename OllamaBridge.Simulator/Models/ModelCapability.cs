namespace OllamaBridge.Simulator;

/// <summary>Ollama's capabilities in the spelling of /api/tags and /api/show.</summary>
public static class ModelCapability
{
    /// <summary>Generates text.</summary>
    public const string Completion = "completion";

    /// <summary>Calls tools.</summary>
    public const string Tools = "tools";

    /// <summary>Thinks before the response.</summary>
    public const string Thinking = "thinking";

    /// <summary>Generates embeddings.</summary>
    public const string Embedding = "embedding";

    /// <summary>Generates the text between a prompt and a suffix.</summary>
    public const string Insert = "insert";

    /// <summary>Accepts images.</summary>
    public const string Vision = "vision";

    /// <summary>Accepts audio.</summary>
    public const string Audio = "audio";
}
