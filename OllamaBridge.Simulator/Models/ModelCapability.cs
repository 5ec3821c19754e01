namespace OllamaBridge.Simulator;

/// <summary>The capabilities that Ollama knows, as /api/tags and /api/show write them.</summary>
public static class ModelCapability
{
    /// <summary>Generates text.</summary>
    public const string Completion = "completion";

    /// <summary>Calls tools.</summary>
    public const string Tools = "tools";

    /// <summary>Thinks before it answers.</summary>
    public const string Thinking = "thinking";

    /// <summary>Turns text into vectors.</summary>
    public const string Embedding = "embedding";

    /// <summary>Fills in between a prompt and a suffix.</summary>
    public const string Insert = "insert";

    /// <summary>Sees images.</summary>
    public const string Vision = "vision";

    /// <summary>Hears speech.</summary>
    public const string Audio = "audio";
}
