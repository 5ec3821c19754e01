using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A JSON text whose long strings are left empty, so that a message of many MiB can be parsed without being held in memory.</summary>
internal sealed class CondensedJson
{
    // Longer than any reason, name or status that a reader compares.
    private const int MaxString = 1024;
    private readonly ArrayBufferWriter<byte> _output = new(4096);
    private readonly byte[] _string = new byte[MaxString];
    private int _stringLength;
    private bool _isInString;
    private bool _isEscaped;
    private bool _isLong;

    /// <summary>In bytes; more than any message has besides its strings.</summary>
    public const int MaxOutput = 1024 * 1024;

    public bool IsTooLong { get; private set; }

    public ReadOnlySpan<byte> Text => IsTooLong ? default : _output.WrittenSpan;

    public void Append(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty && !IsTooLong)
            piece = piece[(_isInString ? AppendString(piece) : AppendOther(piece))..];
    }

    private int AppendOther(ReadOnlySpan<byte> piece)
    {
        var quote = piece.IndexOf((byte)'"');
        var length = quote < 0 ? piece.Length : quote + 1;
        Write(piece[..length]);
        if (quote >= 0)
        {
            _isInString = true;
            _isLong = _isEscaped = false;
            _stringLength = 0;
        }

        return length;
    }

    private int AppendString(ReadOnlySpan<byte> piece)
    {
        var length = 0;
        if (_isEscaped)
        {
            _isEscaped = false;
            length = 1;
        }
        else
        {
            var mark = piece.IndexOfAny((byte)'"', (byte)'\\');
            length = mark < 0 ? piece.Length : mark;
            if (length == 0)
            {
                _isEscaped = piece[0] == '\\';
                length = 1;
                if (!_isEscaped)
                {
                    EndString();
                    return 1;
                }
            }
        }

        Keep(piece[..length]);
        return length;
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (_isLong || _stringLength + part.Length > _string.Length)
        {
            _isLong = true;
            return;
        }

        part.CopyTo(_string.AsSpan(_stringLength));
        _stringLength += part.Length;
    }

    private void EndString()
    {
        _isInString = false;
        if (!_isLong)
            Write(_string.AsSpan(0, _stringLength));
        Write("\""u8);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        if (_output.WrittenCount + bytes.Length > MaxOutput)
            IsTooLong = true;
        else
            _output.Write(bytes);
    }
}
