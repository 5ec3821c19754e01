namespace OllamaBridge.Simulator.Text;

/// <summary>The markers that templates put into prompts.</summary>
internal static class PromptMarks
{
    public const string System = "<|system|>";
    public const string User = "<|user|>";
    public const string Assistant = "<|assistant|>";
    public const string Tool = "<|tool|>";
    public const string End = "<|end|>";
}
