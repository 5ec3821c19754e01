namespace OllamaBridge.Simulator.Generation;

/// <summary>The end of a generation. Durations are in nanoseconds and never 0, because Ollama would omit a 0.</summary>
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

    /// <summary>The whole text including markers, which the context array represents.</summary>
    public required string Said { get; init; }

    public bool CalledTool { get; init; }
}
