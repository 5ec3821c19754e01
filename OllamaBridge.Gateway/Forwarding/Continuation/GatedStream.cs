using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>An instance's stream on its way to a client that has been sent nothing yet: byte for byte, whole messages only.</summary>
internal sealed class GatedStream(
    Stream source, HeldBytes held, AnswerReader reader, KeptAnswer kept, ForwardAttempt attempt, Func<AnswerWriter> writer)
    : AnswerStream(source, held, reader, kept, attempt)
{
    private ReadOnlyMemory<byte> _mark;

    /// <inheritdoc/>
    protected override bool PassesOn => true;

    /// <inheritdoc/>
    protected override bool HasOutput => base.HasOutput || _mark.Length > 0;

    /// <inheritdoc/>
    protected override int TakeOutput(Span<byte> target)
    {
        if (base.HasOutput)
            return base.TakeOutput(target);
        var taken = Math.Min(target.Length, _mark.Length);
        _mark.Span[..taken].CopyTo(target);
        _mark = _mark[taken..];
        return taken;
    }

    /// <inheritdoc/>
    protected override void OnMarkMissing()
    {
        using var made = writer();
        _mark = made.WriteMark();
    }
}
