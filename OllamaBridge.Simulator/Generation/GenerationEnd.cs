namespace OllamaBridge.Simulator.Generation;

/// <summary>How a generation ended. Durations are in nanoseconds and never 0, which Ollama would leave out.</summary>
internal sealed record GenerationEnd
{
    /// <summary>"stop" or "length".</summary>
    public required string Reason { get; init; }

    public required int PromptTokens { get; init; }

    public required int EvalTokens { get; init; }

    public required long TotalDuration { get; init; }

    public required long LoadDuration { get; init; }

    public required long PromptDuration { get; init; }

    public required long EvalDuration { get; init; }

    /// <summary>Everything said, marks included: what the context array stands for.</summary>
    public required string Said { get; init; }

    public bool CalledTool { get; init; }
}
