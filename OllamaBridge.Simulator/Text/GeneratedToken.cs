namespace OllamaBridge.Simulator.Text;

/// <summary>One token of a response.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Random">Its own random number, for probabilities.</param>
internal readonly record struct GeneratedToken(string Text, TokenKind Kind, ulong Random);
