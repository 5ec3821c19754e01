using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>The content of one line of a stream.</summary>
/// <param name="Text">The token's text.</param>
/// <param name="Kind">Thinking, content or a call.</param>
/// <param name="Random">The token's own random number.</param>
/// <param name="Call">The tool call; null for none.</param>
internal readonly record struct OutputPiece(string Text, TokenKind Kind, ulong Random, ToolCall? Call = null);
