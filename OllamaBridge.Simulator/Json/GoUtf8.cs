using System.Text;
using System.Text.Unicode;

namespace OllamaBridge.Simulator.Json;

/// <summary>Go's encoding/json reads lone surrogates and invalid UTF-8 as U+FFFD; .NET's JSON rejects them.</summary>
internal static class GoUtf8
{
    private const int EscapeLength = 6;

    /// <summary>The same JSON with U+FFFD instead of invalid parts; the memory itself if there are none.</summary>
    public static ReadOnlyMemory<byte> Repair(ReadOnlyMemory<byte> json)
    {
        var valid = Utf8.IsValid(json.Span) ? json : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json.Span));
        byte[]? copy = null;
        var text = valid.Span;
        for (var at = 0; (at = Next(text, at)) >= 0;)
        {
            if (text[at + 1] != 'u')
            {
                at += 2;
                continue;
            }

            var isPair = char.IsHighSurrogate(Unit(text, at)) && char.IsLowSurrogate(Unit(text, at + EscapeLength));
            if (!isPair && char.IsSurrogate(Unit(text, at)))
                "\\ufffd"u8.CopyTo((copy ??= valid.ToArray()).AsSpan(at));
            at += isPair ? 2 * EscapeLength : EscapeLength;
        }

        return copy ?? valid;
    }

    /// <summary>The start of the next escape; negative if there is none.</summary>
    private static int Next(ReadOnlySpan<byte> text, int from)
    {
        var found = from >= text.Length ? -1 : text[from..].IndexOf((byte)'\\');
        return found < 0 || from + found + 1 >= text.Length ? -1 : from + found;
    }

    /// <summary>The UTF-16 unit of an escape; 0 if there is none.</summary>
    private static char Unit(ReadOnlySpan<byte> text, int at) =>
        at + EscapeLength <= text.Length && text[at] == '\\' && text[at + 1] == 'u'
        && System.Buffers.Text.Utf8Parser.TryParse(text.Slice(at + 2, 4), out ushort unit, out var read, 'x') && read == 4
            ? (char)unit
            : '\0';
}
