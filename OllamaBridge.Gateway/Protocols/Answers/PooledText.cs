using System.Buffers;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>UTF-8 text in pooled memory. Bytes beyond <paramref name="limit"/> are dropped, and <see cref="IsCut"/> is set.</summary>
internal sealed class PooledText(int limit) : IDisposable
{
    private const int First = 512;
    private byte[]? _buffer;

    public int Length { get; private set; }

    public bool IsCut { get; private set; }

    public ReadOnlySpan<byte> Span => _buffer.AsSpan(0, Length);

    public void Append(ref Utf8JsonReader reader)
    {
        var most = reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length;
        if (most > 0 && Reserve(most))
            Length += reader.CopyString(_buffer.AsSpan(Length));
    }

    public void Append(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty || !Reserve(utf8.Length))
            return;
        utf8.CopyTo(_buffer.AsSpan(Length));
        Length += utf8.Length;
    }

    public void Truncate(int length) => Length = Math.Min(Length, length);

    public override string ToString() => Encoding.UTF8.GetString(Span);

    public void Dispose()
    {
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer, clearArray: true);
        _buffer = null;
        Length = 0;
    }

    private bool Reserve(int more)
    {
        if (IsCut || Length + more > limit)
        {
            IsCut = true;
            return false;
        }

        if (_buffer is not null && _buffer.Length - Length >= more)
            return true;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(First, Math.Max(Length + more, 2 * Length)));
        Span.CopyTo(larger);
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer, clearArray: true);
        _buffer = larger;
        return true;
    }
}
