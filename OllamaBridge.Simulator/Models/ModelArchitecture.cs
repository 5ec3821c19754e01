namespace OllamaBridge.Simulator;

/// <summary>The figures of a model in /api/show.</summary>
public sealed record ModelArchitecture
{
    /// <summary>Number of parameters; 0 derives it from the model's parameter size.</summary>
    public long ParameterCount { get; init; }

    /// <summary>Number of blocks (layers).</summary>
    public int BlockCount { get; init; } = 28;

    /// <summary>Width; the length of an embedding.</summary>
    public int EmbeddingLength { get; init; } = 3584;

    /// <summary>Width of the feed-forward layers.</summary>
    public int FeedForwardLength { get; init; } = 18_944;

    /// <summary>Attention heads.</summary>
    public int HeadCount { get; init; } = 28;

    /// <summary>Tokens in the vocabulary.</summary>
    public int VocabularySize { get; init; } = 152_064;
}
