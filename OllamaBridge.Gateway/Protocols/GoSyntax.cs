using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Finds the first syntax error of a JSON text, with a real server's message: a port of Go's scanner (<c>encoding/json/scanner.go</c>).</summary>
internal ref struct GoSyntax
{
    private const int MaxDepth = 10_000;
    private const string Eof = "unexpected EOF";
    private SequenceReader<byte> _reader;

    private GoSyntax(in ReadOnlySequence<byte> text) => _reader = new SequenceReader<byte>(text);

    public static string? Error(in ReadOnlySequence<byte> text)
    {
        var syntax = new GoSyntax(text);
        return syntax.Run();
    }

    private string? Run()
    {
        var open = new Stack<byte>();
        if (Value(open, out var opened) is { } first)
            return first;
        while (open.Count > 0)
        {
            var isObject = open.Peek() == '{';
            if (!TrySkipBlank(out var c))
                return Eof;
            if (opened && c == (isObject ? '}' : ']'))
            {
                Close(open, out opened);
                continue;
            }

            if (!opened)
            {
                _reader.Advance(1);
                if (c == (isObject ? '}' : ']'))
                {
                    open.Pop();
                    continue;
                }

                if (c != ',')
                    return Invalid(c, isObject ? "after object key:value pair" : "after array element");
            }

            if ((isObject && Key() is { } key ? key : Value(open, out opened)) is { } error)
                return error;
        }

        return null;
    }

    private void Close(Stack<byte> open, out bool opened)
    {
        _reader.Advance(1);
        open.Pop();
        opened = false;
    }

    private string? Key()
    {
        if (!TrySkipBlank(out var c))
            return Eof;
        _reader.Advance(1);
        if (c != '"')
            return Invalid(c, "looking for beginning of object key string");
        if (Text() is { } error)
            return error;
        if (!TrySkipBlank(out c))
            return Eof;
        _reader.Advance(1);
        return c == ':' ? null : Invalid(c, "after object key");
    }

    private string? Value(Stack<byte> open, out bool opened)
    {
        opened = false;
        if (!TrySkipBlank(out var c))
            return Eof;
        _reader.Advance(1);
        switch (c)
        {
            case (byte)'{' or (byte)'[':
                open.Push(c);
                opened = true;
                return open.Count > MaxDepth ? Invalid(c, "exceeded max depth") : null;
            case (byte)'"':
                return Text();
            case (byte)'t':
                return Literal("true");
            case (byte)'f':
                return Literal("false");
            case (byte)'n':
                return Literal("null");
            case (byte)'-' or (>= (byte)'0' and <= (byte)'9'):
                return Number(c);
            default:
                return Invalid(c, "looking for beginning of value");
        }
    }

    private string? Text()
    {
        while (_reader.TryRead(out var c))
        {
            if (c == '"')
                return null;
            if (c < 0x20)
                return Invalid(c, "in string literal");
            if (c != '\\')
                continue;
            if (!_reader.TryRead(out c))
                return Eof;
            if (!"\"\\/bfnrtu"u8.Contains(c))
                return Invalid(c, "in string escape code");
            for (var digit = 0; c == 'u' && digit < 4; digit++)
            {
                if (!_reader.TryRead(out var hex))
                    return Eof;
                if (!char.IsAsciiHexDigit((char)hex))
                    return Invalid(hex, "in \\u hexadecimal character escape");
            }
        }

        return Eof;
    }

    private string? Literal(string word)
    {
        for (var i = 1; i < word.Length; i++)
        {
            if (!_reader.TryRead(out var c))
                return Eof;
            if (c != word[i])
                return Invalid(c, $"in literal {word} (expecting '{word[i]}')");
        }

        return null;
    }

    private string? Number(byte first)
    {
        if (first == '-' && !TryDigit(out first, out var found))
            return found ? Invalid(first, "in numeric literal") : Eof;
        if (first != '0')
            SkipDigits();
        if (_reader.TryPeek(out var c) && c == '.')
        {
            _reader.Advance(1);
            if (!TryDigit(out c, out found))
                return found ? Invalid(c, "after decimal point in numeric literal") : Eof;
            SkipDigits();
        }

        if (_reader.TryPeek(out c) && c is (byte)'e' or (byte)'E')
        {
            _reader.Advance(1);
            if (_reader.TryPeek(out c) && c is (byte)'+' or (byte)'-')
                _reader.Advance(1);
            if (!TryDigit(out c, out found))
                return found ? Invalid(c, "in exponent of numeric literal") : Eof;
            SkipDigits();
        }

        return null;
    }

    private bool TryDigit(out byte c, out bool found)
    {
        found = _reader.TryRead(out c);
        return found && char.IsAsciiDigit((char)c);
    }

    private void SkipDigits() => _reader.AdvancePastAny("0123456789"u8);

    private bool TrySkipBlank(out byte next)
    {
        _reader.AdvancePastAny(" \t\r\n"u8);
        return _reader.TryPeek(out next);
    }

    private static string Invalid(byte c, string place) => $"invalid character '{(char)c switch
    {
        '\'' => "\\'",
        '\\' => "\\\\",
        '\a' => "\\a",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\v' => "\\v",
        < ' ' or '\x7f' => $"\\x{c:x2}",
        (>= '\x80' and <= '\xa0') or '\xad' => $"\\u{(int)c:x4}",
        var shown => shown.ToString(),
    }}' {place}";
}
