using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// What the bridge adds to YARP's forwarding: clean headers out, and on the way back a look at the answer before the client
/// sees any of it, so that a failed one can be had elsewhere.
/// </summary>
internal sealed class AnswerTransformer(
    IOptions<ForwardingOptions> options, PlacementOutcomes outcomes, BridgeMetrics metrics, TimeProvider time) : HttpTransformer
{
    /// <summary>Names the instance that answered.</summary>
    public const string InstanceHeader = "X-Bridge-Instance";

    private const int FirstRead = 4 * 1024;
    private const int ErrorLimit = 64 * 1024;
    private readonly ForwardingOptions _options = options.Value;

    /// <inheritdoc/>
    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        HeaderHygiene.Clean(proxyRequest.Headers, _options.PassAuthorization);
        // An upload is sent only once the instance wants it: one that it has already would be refused in mid-flight. What the
        // bridge holds in memory is sent at once.
        var operation = httpContext.Features.Get<ForwardAttempt>()!.Call.Operation;
        proxyRequest.Headers.ExpectContinue = operation.UnbufferedBody && proxyRequest.Content is not null ? true : null;
    }

    /// <inheritdoc/>
    /// <returns>False where nothing of the answer goes to the client: the caller of the forwarder decides what happens.</returns>
    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        var attempt = httpContext.Features.Get<ForwardAttempt>()!;
        if (proxyResponse is null)
            return true;
        var operation = attempt.Call.Operation;
        var status = (int)proxyResponse.StatusCode;
        var source = await proxyResponse.Content.ReadAsStreamAsync(cancellationToken);
        var held = new HeldBytes();
        var ended = false;
        try
        {
            if (status >= 400)
            {
                ended = await HoldAsync(held, source, ErrorLimit, cancellationToken);
                attempt.Failure = AnswerVerdict.Judge(operation, status, held.Span);
                attempt.Rejected = attempt.Failure is null;
                if (AnswerVerdict.IsBusy(status))
                    attempt.BusyFor = RetryAfter.Read(proxyResponse.Headers, time.GetUtcNow());
                if (attempt.Failure is not null && ended && attempt.TakeRetry())
                {
                    attempt.Retained = new RetainedAnswer(status, proxyResponse.Content.Headers.ContentType?.ToString(), held.Span.ToArray(), attempt.BusyFor ?? default);
                    held.Dispose();
                    return false;
                }
            }
            else if (IsStream(proxyResponse))
            {
                ended = await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0;
                if (ended || (held.Span.StartsWith("{\"error\":"u8) && operation.Kind == OperationKind.Inference && attempt.TakeRetry()))
                {
                    attempt.Failure = InstanceFailure.Broken;
                    attempt.Retained = ended ? null : new RetainedAnswer(StatusCodes.Status500InternalServerError, "application/json; charset=utf-8", held.Span.TrimEnd((byte)'\n').ToArray());
                    held.Dispose();
                    return false;
                }

                // Of an answer, not of an error: who fails fast must not look quick.
                if (operation.Kind == OperationKind.Inference)
                    RecordFirstByte(attempt);
                attempt.Watcher = StreamWatcher.For(operation.End);
            }
            else if (operation.Kind == OperationKind.Inference)
            {
                ended = await HoldAsync(held, source, _options.MaxHeldAnswer, cancellationToken);
                ReadUsage(attempt, held.Span);
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut before the client saw anything of it.
            attempt.Failure = InstanceFailure.Broken;
            held.Dispose();
            return false;
        }
        catch
        {
            held.Dispose();
            throw;
        }

        attempt.Call.AnsweredAt = time.GetTimestamp();
        if (attempt.Call.Heartbeat is { } heartbeat)
            await heartbeat.DisposeAsync();
        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        if (status < 400 && attempt.Watcher is null && attempt.Call.BeforeCompletion is { } before)
            await before(cancellationToken);
        httpContext.Response.Headers[InstanceHeader] = attempt.Lease.Instance.Name;
        attempt.Delivered = true;
        if (status < 400)
            outcomes.Answering(attempt.Lease);
        proxyResponse.Content = new AnswerContent(proxyResponse.Content, new RelayStream(source, held, ended, attempt, httpContext));
        return true;
    }

    /// <summary>Reads until the end or the limit.</summary>
    /// <returns>Whether the end was reached.</returns>
    private static async ValueTask<bool> HoldAsync(HeldBytes held, Stream source, int limit, CancellationToken cancellationToken)
    {
        while (held.Length < limit)
            if (await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0)
                return true;
        return false;
    }

    private static bool IsStream(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.OK
        && response.Content.Headers.ContentType?.MediaType is "application/x-ndjson" or "text/event-stream";

    private static void ReadUsage(ForwardAttempt attempt, ReadOnlySpan<byte> body)
    {
        var usage = Usage.Read(body);
        attempt.Call.InputTokens = usage.InputTokens;
        attempt.Call.OutputTokens = usage.OutputTokens;
        attempt.DecodeNanoseconds = usage.DecodeNanoseconds;
    }

    private void RecordFirstByte(ForwardAttempt attempt)
    {
        var elapsed = time.GetElapsedTime(attempt.SentAt);
        BridgeTracing.RecordFirstByte(attempt);
        metrics.RecordFirstToken(attempt.Call.Operation.Name, attempt.Call.ModelKey, elapsed);
        if (attempt.Lease.WasLoaded)
            attempt.Lease.Placement.State.AddTimeToFirstToken(elapsed.TotalSeconds);
    }
}
