using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Opens streams that can be resumed.</summary>
internal sealed class ResumableStreams(IOptions<ResumptionOptions> options, TimeProvider time)
{
    private ResumptionOptions Settings => options.Value;

    /// <summary>
    /// Opens a stream: to be passed on byte for byte or, if the client has the beginning from another instance, to be written by the bridge.
    /// <paramref name="held"/> contains the bytes that were already read.
    /// </summary>
    /// <returns>Null if the stream is to be passed on without reading its messages.</returns>
    public ResumableStream? Open(ForwardAttempt attempt, Stream source, BufferedBytes held)
    {
        var call = attempt.Call;
        if (!Settings.Enabled || call.Body is null)
            return null;
        if (attempt.Plan is { IsReplay: true } replay && call.Kept is { HasBegun: true } sent)
        {
            var again = new ResponseTranscript(Settings.MaxKept);
            return new ReplayedStream(source, held, replay.Reader(again), ResponseWriter.For(call, sent, time), again, sent, attempt);
        }

        if (attempt.Plan is { } plan && call.Kept is { HasBegun: true } begun)
            return new ResumedStream(source, held, plan.Reader(begun), ResponseWriter.For(call, begun, time), plan, begun, attempt);
        // The client has not received the text of an earlier instance.
        call.Kept?.Dispose();
        call.Kept = null;
        var kept = new ResponseTranscript(Settings.MaxKept);
        if (ResponseReader.For(call.Operation, kept) is not { } reader)
            return null;
        call.Kept = kept;
        return new PassthroughStream(source, held, reader, kept, attempt, () => ResponseWriter.For(call, kept, time));
    }
}
