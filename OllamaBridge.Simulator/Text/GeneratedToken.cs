namespace OllamaBridge.Simulator.Text;

/// <summary>One token of an answer.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Kind">What it belongs to.</param>
/// <param name="Random">A number of its own, for probabilities.</param>
internal readonly record struct GeneratedToken(string Text, TokenKind Kind, ulong Random);
