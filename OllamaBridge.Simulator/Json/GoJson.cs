using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OllamaBridge.Simulator.Json;

/// <summary>
/// Writes JSON byte for byte as Go's encoding/json does: &lt;, &gt; and &amp; escaped, other Unicode as it is, no white space.
/// (Utf8JsonWriter escapes differently, and recorded lengths must match.) Not thread-safe; the buffer is pooled.
/// </summary>
internal sealed class GoJson : IDisposable
{
    private static readonly SearchValues<char> Escaped = SearchValues.Create(
        "\"\\<>&\u2028\u2029" + string.Concat(Enumerable.Range(0, 32).Select(i => (char)i)));

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1024);
    private int _length;
    private bool _separate;

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, _length);

    public int Length => _length;

    public GoJson Clear()
    {
        _length = 0;
        _separate = false;
        return this;
    }

    public GoJson BeginObject() => Open((byte)'{');

    public GoJson EndObject() => Close((byte)'}');

    public GoJson BeginArray() => Open((byte)'[');

    public GoJson EndArray() => Close((byte)']');

    /// <summary>Writes a name that needs no escaping.</summary>
    public GoJson Name(ReadOnlySpan<byte> name)
    {
        var to = Reserve(name.Length + 4);
        var at = 0;
        if (_separate)
            to[at++] = (byte)',';
        to[at++] = (byte)'"';
        name.CopyTo(to[at..]);
        at += name.Length;
        to[at++] = (byte)'"';
        to[at++] = (byte)':';
        _length += at;
        _separate = false;
        return this;
    }

    public GoJson Name(string name)
    {
        String(name);
        Raw(":"u8);
        _separate = false;
        return this;
    }

    public GoJson String(ReadOnlySpan<char> value)
    {
        Separate();
        Put((byte)'"');
        while (true)
        {
            var stop = value.IndexOfAny(Escaped);
            var run = stop < 0 ? value : value[..stop];
            _length += Encoding.UTF8.GetBytes(run, Reserve(run.Length * 3));
            if (stop < 0)
                break;
            Escape(value[stop]);
            value = value[(stop + 1)..];
        }
        Put((byte)'"');
        _separate = true;
        return this;
    }

    public GoJson Number(long value)
    {
        Separate();
        Utf8Formatter.TryFormat(value, Reserve(20), out var written);
        _length += written;
        _separate = true;
        return this;
    }

    public GoJson Number(double value)
    {
        Separate();
        value.TryFormat(Reserve(32), out var written, "0.################", CultureInfo.InvariantCulture);
        _length += written;
        _separate = true;
        return this;
    }

    public GoJson Number(float value)
    {
        Separate();
        value.TryFormat(Reserve(32), out var written, "0.#########", CultureInfo.InvariantCulture);
        _length += written;
        _separate = true;
        return this;
    }

    public GoJson Bool(bool value) => Value(value ? "true"u8 : "false"u8);

    public GoJson Null() => Value("null"u8);

    /// <summary>Writes RFC 3339 with the required decimals only, as Go does.</summary>
    public GoJson Time(DateTimeOffset value)
    {
        Separate();
        Put((byte)'"');
        value.UtcDateTime.TryFormat(Reserve(32), out var written, "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
        _length += written;
        Put((byte)'"');
        _separate = true;
        return this;
    }

    /// <summary>Writes a value that is JSON.</summary>
    public GoJson Value(ReadOnlySpan<byte> json)
    {
        Separate();
        Raw(json);
        _separate = true;
        return this;
    }

    /// <summary>Writes framing between values.</summary>
    public GoJson Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Reserve(bytes.Length));
        _length += bytes.Length;
        return this;
    }

    /// <summary>Writes framing after which a new value begins.</summary>
    public GoJson Frame(ReadOnlySpan<byte> bytes)
    {
        Raw(bytes);
        _separate = false;
        return this;
    }

    public void Dispose()
    {
        if (_buffer.Length == 0)
            return;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _length = 0;
    }

    private GoJson Open(byte bracket)
    {
        Separate();
        Put(bracket);
        _separate = false;
        return this;
    }

    private GoJson Close(byte bracket)
    {
        Put(bracket);
        _separate = true;
        return this;
    }

    private void Escape(char c)
    {
        switch (c)
        {
            case '"': Raw("\\\""u8); break;
            case '\\': Raw("\\\\"u8); break;
            case '\n': Raw("\\n"u8); break;
            case '\r': Raw("\\r"u8); break;
            case '\t': Raw("\\t"u8); break;
            case '\b': Raw("\\b"u8); break;
            case '\f': Raw("\\f"u8); break;
            default:
                Raw("\\u"u8);
                ((int)c).TryFormat(Reserve(4), out var written, "x4", CultureInfo.InvariantCulture);
                _length += written;
                break;
        }
    }

    private void Separate()
    {
        if (_separate)
            Put((byte)',');
    }

    private void Put(byte value)
    {
        Reserve(1)[0] = value;
        _length++;
    }

    private Span<byte> Reserve(int size)
    {
        if (_buffer.Length - _length < size)
        {
            var bigger = ArrayPool<byte>.Shared.Rent(Math.Max(_buffer.Length * 2, _length + size));
            Written.CopyTo(bigger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = bigger;
        }
        return _buffer.AsSpan(_length);
    }
}
