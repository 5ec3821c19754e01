using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Opens the streams of answers that can be gone on with.</summary>
internal sealed class AnswerStreams(IOptions<ContinuationOptions> options, TimeProvider time)
{
    private ContinuationOptions Settings => options.Value;

    /// <summary>Opens one: to be passed on byte for byte, or, where the client has had the beginning from another instance, to be written anew.</summary>
    /// <param name="attempt">The sending.</param>
    /// <param name="source">The instance's stream.</param>
    /// <param name="held">What has been read of it.</param>
    /// <returns>Null where the stream is to be passed on unread.</returns>
    public AnswerStream? Open(ForwardAttempt attempt, Stream source, HeldBytes held)
    {
        var call = attempt.Call;
        if (!Settings.Enabled || call.Body is null)
            return null;
        if (attempt.Plan is { IsReplay: true } replay && call.Kept is { HasBegun: true } sent)
        {
            var again = new KeptAnswer(Settings.MaxKept);
            return new ReplayedStream(source, held, replay.Reader(again), AnswerWriter.For(call, sent, time), again, sent, attempt);
        }

        if (attempt.Plan is { } plan && call.Kept is { HasBegun: true } begun)
            return new RewrittenStream(source, held, plan.Reader(begun), AnswerWriter.For(call, begun, time), plan, begun, attempt);
        // What an earlier instance said the client has not seen.
        call.Kept?.Dispose();
        call.Kept = null;
        var kept = new KeptAnswer(Settings.MaxKept);
        if (AnswerReader.For(call.Operation, kept) is not { } reader)
            return null;
        call.Kept = kept;
        return new GatedStream(source, held, reader, kept, attempt, () => AnswerWriter.For(call, kept, time));
    }
}
