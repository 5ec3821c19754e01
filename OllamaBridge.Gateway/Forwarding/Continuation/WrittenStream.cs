using System.Buffers;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>An instance's stream of which the client gets messages that the bridge writes.</summary>
/// <param name="source">The instance's stream.</param>
/// <param name="held">Its bytes that have been read.</param>
/// <param name="reader">Reads it.</param>
/// <param name="writer">Writes for the client.</param>
/// <param name="kept">Receives the answer.</param>
/// <param name="attempt">The sending.</param>
internal abstract class WrittenStream(Stream source, HeldBytes held, AnswerReader reader, AnswerWriter writer, KeptAnswer kept, ForwardAttempt attempt)
    : AnswerStream(source, held, reader, kept, attempt)
{
    private int _taken;

    /// <summary>The bytes that the client gets next.</summary>
    protected ArrayBufferWriter<byte> Output { get; } = new(512);

    /// <summary>Writes for the client.</summary>
    protected AnswerWriter Writer { get; } = writer;

    /// <inheritdoc/>
    protected override bool PassesOn => false;

    /// <inheritdoc/>
    protected override bool HasOutput => _taken < Output.WrittenCount;

    /// <inheritdoc/>
    protected override int TakeOutput(Span<byte> target)
    {
        var rest = Output.WrittenSpan[_taken..];
        var taken = Math.Min(target.Length, rest.Length);
        rest[..taken].CopyTo(target);
        _taken += taken;
        if (_taken == Output.WrittenCount)
        {
            Output.ResetWrittenCount();
            _taken = 0;
        }

        return taken;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Writer.Dispose();
        base.Dispose(disposing);
    }
}
