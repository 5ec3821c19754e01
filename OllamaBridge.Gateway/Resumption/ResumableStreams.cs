using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

internal sealed class ResumableStreams(IOptions<ResumptionOptions> options, TimeProvider time)
{
    private ResumptionOptions Settings => options.Value;

    /// <param name="held">The bytes that were already read.</param>
    /// <returns>Null if the stream is to be passed on without reading its messages.</returns>
    public ResumableStream? Open(StreamedAttempt attempt, Stream source, BufferedBytes held)
    {
        var call = attempt.Call;
        if (!Settings.Enabled || call.Body is null)
            return null;
        if (attempt.Plan is { IsReplay: true } replay && call.Response.Transcript is { HasBegun: true } sent)
        {
            var again = new ResponseTranscript(Settings.MaxKept);
            return new ReplayedStream(source, held, replay.Reader(again), ResponseWriter.For(call.ResponseContext, sent, time), again, sent, attempt);
        }

        if (attempt.Plan is { } plan && call.Response.Transcript is { HasBegun: true } begun)
            return new ResumedStream(source, held, plan.Reader(begun), ResponseWriter.For(call.ResponseContext, begun, time), plan, begun, attempt);
        // The client has not received the text of an earlier instance.
        call.Response.Transcript?.Dispose();
        call.Response.Transcript = null;
        var kept = new ResponseTranscript(Settings.MaxKept);
        if (ResponseReader.For(call.Operation, kept) is not { } reader)
            return null;
        call.Response.Transcript = kept;
        return new PassthroughStream(source, held, reader, kept, attempt, () => ResponseWriter.For(call.ResponseContext, kept, time));
    }
}
