using System.Text;

namespace OllamaBridge.Simulator.Text;

/// <summary>Ends a response before a stop sequence. Holds back text that may be the beginning of one.</summary>
internal sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>Adds a piece of text; returns the text to send, and whether a stop sequence was reached.</summary>
    public (string Send, bool Stopped) Add(string piece)
    {
        _held.Append(piece);
        var text = _held.ToString();
        foreach (var stop in stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at < 0)
                continue;
            _held.Clear();
            return (text[..at], true);
        }
        var keep = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > keep; length--)
            {
                if (text.EndsWith(stop[..length], StringComparison.Ordinal))
                    keep = length;
            }
        }
        _held.Clear().Append(text, text.Length - keep, keep);
        return (text[..^keep], false);
    }

    /// <summary>The text that is still held back when the response ends without a stop sequence.</summary>
    public string Rest() => _held.ToString();
}
