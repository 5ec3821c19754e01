using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Passes an instance's stream on byte for byte, in complete messages, to a client that has received nothing yet.</summary>
internal sealed class PassthroughStream(
    Stream source, BufferedBytes held, ResponseReader reader, ResponseTranscript kept, StreamedAttempt attempt, Func<ResponseWriter> writer)
    : ResumableStream(source, held, reader, kept, attempt)
{
    private ReadOnlyMemory<byte> _mark;

    protected override bool PassesOn => true;

    protected override bool HasOutput => base.HasOutput || _mark.Length > 0;

    protected override int TakeOutput(Span<byte> target)
    {
        if (base.HasOutput)
            return base.TakeOutput(target);
        var taken = Math.Min(target.Length, _mark.Length);
        _mark.Span[..taken].CopyTo(target);
        _mark = _mark[taken..];
        return taken;
    }

    protected override void OnMarkMissing()
    {
        using var made = writer();
        _mark = made.WriteMark();
    }
}
