namespace OllamaBridge.Simulator.Text;

/// <summary>What a generated token belongs to.</summary>
internal enum TokenKind
{
    Content,
    Thinking,

    /// <summary>A piece of a tool call; its call comes whole when it is complete.</summary>
    Call,
}
