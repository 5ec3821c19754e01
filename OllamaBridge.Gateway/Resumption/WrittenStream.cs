using System.Buffers;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>An instance's stream from which the bridge writes the client's messages itself.</summary>
internal abstract class WrittenStream(Stream source, BufferedBytes held, ResponseReader reader, ResponseWriter writer, ResponseTranscript kept, StreamedAttempt attempt)
    : ResumableStream(source, held, reader, kept, attempt)
{
    private int _taken;

    protected ArrayBufferWriter<byte> Output { get; } = new(512);

    protected ResponseWriter Writer { get; } = writer;

    protected override bool PassesOn => false;

    protected override bool HasOutput => _taken < Output.WrittenCount;

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

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Writer.Dispose();
        base.Dispose(disposing);
    }
}
