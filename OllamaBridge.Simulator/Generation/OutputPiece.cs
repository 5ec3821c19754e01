using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>What one line of a stream tells.</summary>
/// <param name="Text">Text of the token.</param>
/// <param name="Kind">Thinking, answer or a call.</param>
/// <param name="Random">The token's own number.</param>
/// <param name="Call">The call where it is one.</param>
internal readonly record struct OutputPiece(string Text, TokenKind Kind, ulong Random, ToolCall? Call = null);
