namespace OllamaBridge.Simulator.Text;

/// <summary>The kind of a generated token.</summary>
internal enum TokenKind
{
    Content,
    Thinking,

    /// <summary>A piece of a tool call; the call is complete with its last piece.</summary>
    Call,
}
