using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Removes headers in both directions, and inspects a response before the client receives any of it, so that a failed request can be sent to another
/// instance.
/// </summary>
internal sealed class ResponseTransformer(
    IOptions<ForwardingOptions> options,
    ResumableStreams continuing,
    PlacementOutcomes outcomes,
    FirstTokenTimes firstTokens,
    LoadTimes loadTimes,
    ForwardingMetrics metrics,
    TimeProvider time) : HttpTransformer
{
    /// <summary>The response header with the name of the instance that served the request.</summary>
    public const string InstanceHeader = "X-Bridge-Instance";

    /// <summary>The response header with the name of the model that served the request, if it is not the requested one.</summary>
    public const string ModelHeader = "X-Bridge-Model";

    private const int FirstRead = 4 * 1024;
    private const int ErrorLimit = 64 * 1024;
    private ForwardingOptions Settings => options.Value;

    private static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        var connection = httpContext.Request.Headers.Connection;
        HeaderHygiene.Clean(proxyRequest.Headers, Settings.PassAuthorization, connection);
        if (proxyRequest.Content is { } content)
            HeaderHygiene.Clean(content.Headers, connection);
        var attempt = httpContext.Features.Get<ForwardAttempt>()!;
        proxyRequest.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        attempt.Lease.Instance.Authorize(proxyRequest);
        TraceHeaders.Write(proxyRequest.Headers, attempt.Span ?? Activity.Current);
        if (attempt.Lease.Instance.IsPeer)
            PeerHeaders.Complete(proxyRequest.Headers, attempt);
        // An upload waits for the instance's 100 Continue: an instance that has the blob already would close the connection during the upload. A body
        // in memory is sent at once.
        if (attempt.Plan is { } plan)
            proxyRequest.RequestUri = new Uri(destinationPrefix + plan.Path);
        var operation = attempt.Call.Operation;
        proxyRequest.Headers.ExpectContinue = operation.UnbufferedBody && proxyRequest.Content is not null ? true : null;
    }

    /// <summary>Drops trailers: model servers send none.</summary>
    public override ValueTask TransformResponseTrailersAsync(HttpContext httpContext, HttpResponseMessage proxyResponse, CancellationToken cancellationToken) =>
        ValueTask.CompletedTask;

    /// <returns>False if the client gets nothing of the response: the caller of the forwarder decides on the next step.</returns>
    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        var attempt = httpContext.Features.Get<ForwardAttempt>()!;
        if (proxyResponse is null)
            return true;
        var operation = attempt.Call.Operation;
        var status = (int)proxyResponse.StatusCode;
        attempt.Span?.SetTag(TelemetryNames.HttpResponseStatus, status);
        attempt.Status = status;
        var isRefused = status >= 400 || (status >= 300 && operation.Kind is OperationKind.Inference or OperationKind.Lookup);
        if (DecodedStream.Open(await proxyResponse.Content.ReadAsStreamAsync(cancellationToken), proxyResponse.Content.Headers) is not { } source)
        {
            attempt.Failure = InstanceFailure.BridgeError;
            return false;
        }

        var held = new BufferedBytes();
        Stream? answer;
        var isStream = false;
        try
        {
            isStream = !isRefused && await IsStreamAsync(attempt, proxyResponse, source, held, cancellationToken);
            answer = isRefused ? await RefusedAsync(attempt, httpContext, proxyResponse, source, held, cancellationToken)
                : isStream ? await BegunAsync(attempt, httpContext, source, held, cancellationToken)
                : attempt.Plan is not null ? null
                : await WholeAsync(
                    attempt, httpContext, proxyResponse.Content.Headers.ContentType?.MediaType == "application/json", source, held, cancellationToken);
        }
        catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && attempt.Taken is not null))
        {
            // The response broke off, or the attempt was cancelled, before the client received anything.
            answer = null;
        }
        catch
        {
            held.Dispose();
            throw;
        }

        // From here on only the reader of the stream may cancel the attempt.
        if (answer is null || !(attempt.HasBegun || attempt.TryBegin()))
        {
            if (!attempt.IsTooLong)
                attempt.Failure ??= attempt.Taken ?? InstanceFailure.Broken;
            held.Dispose();
            return false;
        }

        attempt.Call.AnsweredAt ??= time.GetTimestamp();
        if (attempt.Call.Heartbeat is { } heartbeat)
            await heartbeat.DisposeAsync();
        var answeredBy = attempt.Lease.Instance.IsPeer ? PeerHeaders.Clean(proxyResponse.Headers, attempt.Lease.Instance) : attempt.Lease.Instance.Name;
        // A stream's length may differ from the instance's announcement: it may end with an error, or be resumed on another instance.
        if (isStream)
            proxyResponse.Content.Headers.Remove("Content-Length");
        HeaderHygiene.CleanResponse(proxyResponse.Headers);
        HeaderHygiene.CleanResponse(proxyResponse.Content.Headers);
        if (proxyResponse.ReasonPhrase.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            proxyResponse.ReasonPhrase = null;
        HeaderHygiene.Clean(proxyResponse, attempt.Lease.Instance.IsPeer ? ModelHeader : null);
        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        if (!isRefused && answer is RelayStream && attempt.Watcher is null && attempt.Call.BeforeCompletion is { } before)
            await before(cancellationToken);
        if (isStream)
            ProxyBuffering.Disable(httpContext.Response.Headers);
        httpContext.Response.Headers[InstanceHeader] = HeaderText.Encode(answeredBy);
        if (attempt.Call.ModelName is { } model && model != attempt.Call.Facts.Model)
            httpContext.Response.Headers[ModelHeader] = HeaderText.Encode(model);
        attempt.Delivered = true;
        if (!isRefused)
        {
            outcomes.Answering(attempt.Lease);
            // A resumption may still fail in the same way. It is judged when it ends.
            if (attempt.Plan is null)
            {
                attempt.Call.Answering = attempt.Lease.Instance;
                attempt.Call.Failures?.Answered(attempt.Lease.Instance);
            }
        }

        proxyResponse.Content = new ResponseContent(proxyResponse.Content, answer);
        return true;
    }

    /// <returns>The stream for the client; null if the client does not get this response.</returns>
    private async ValueTask<Stream?> RefusedAsync(
        ForwardAttempt attempt, HttpContext context, HttpResponseMessage response, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        if (UpstreamErrorClassifier.IsBusy(status))
            attempt.BusyFor = RetryAfter.Read(response.Headers, time.GetWallClock());
        if (attempt.Plan is not null)
        {
            // The instance can't resume the response. The client gets the error of the instance that began it.
            attempt.Failure = InstanceFailure.ServerError;
            return null;
        }

        var ended = await HoldAsync(held, source, ErrorLimit, cancellationToken);
        attempt.Failure = UpstreamErrorClassifier.Judge(attempt.Call.Operation, status, held.Span, attempt.Lease.Instance is { ApiKey: not null } or { IsPeer: true }, HttpMethods.IsHead(context.Request.Method));
        attempt.Rejected = attempt.Failure is null;
        // The refused key is the bridge's own. To the client that is a failing server.
        if (UpstreamErrorClassifier.IsBridgesFault(status, attempt.Failure))
            return null;
        attempt.IsTooLong = ended && attempt.Call.Alternatives is { HasNext: true } && FallbackRules.IsTooLong(status, held.Span);
        attempt.WaitsForRoom = ended && attempt.BusyFor is not null && BusyWait.IsPossible(attempt, response, time.GetTimestamp());
        if (attempt is { Failure: not null, WaitsForRoom: false, Call.Operation: { Kind: OperationKind.Inference } operation }
            && response.Content.Headers.ContentType?.MediaType == "text/html")
        {
            // API clients can't read HTML pages, and a proxy's status is not part of the API.
            var shown = UpstreamErrorClassifier.StatusOfPage(status);
            attempt.Retained = new RetainedResponse(
                shown, "application/json", ProtocolError.Body(operation.Protocol, shown, $"a proxy in front of the instance answered {status} with an HTML page"), attempt.BusyFor ?? default);
            return null;
        }

        // A failed attempt of a hedged request is no response: the other attempt may succeed.
        var isKept = attempt.IsTooLong || attempt.WaitsForRoom || (attempt.Failure is not null && ended && (attempt.Race is not null || attempt.TakeRetry()));
        if (!isKept)
            return Wins(attempt, context) ? new RelayStream(source, held, ended, attempt, context) : null;
        attempt.Retained = new RetainedResponse(status, response.Content.Headers.ContentType?.ToString(), held.Span.ToArray(), attempt.BusyFor ?? default);
        return null;
    }

    /// <returns>The stream for the client; null if the client does not get this response.</returns>
    private async ValueTask<Stream?> BegunAsync(
        ForwardAttempt attempt, HttpContext context, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        var operation = attempt.Call.Operation;
        var ended = held.Length == 0 && await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0;
        if (!attempt.TryBegin())
            return null;
        if (ended)
            return null;
        if (attempt.Race is not null && ResponseShape.IsError(held.Span))
        {
            attempt.Retained = Retain(held.Span.TrimEnd((byte)'\n').ToArray());
            attempt.Failure = FailureOf(attempt.Retained);
            return null;
        }

        if (!Wins(attempt, context))
            return null;
        if (continuing.Open(attempt, source, held) is { } answer)
        {
            if (answer.LookAhead())
            {
                RecordFirstByte(attempt);
                return answer;
            }

            attempt.Retained = Retain(attempt.Told);
            attempt.Failure = FailureOf(attempt.Retained);
            return null;
        }

        if (ResponseShape.IsError(held.Span) && operation.Kind == OperationKind.Inference && attempt.TakeRetry())
        {
            attempt.Retained = Retain(held.Span.TrimEnd((byte)'\n').ToArray());
            attempt.Failure = FailureOf(attempt.Retained);
            return null;
        }

        // Only of successful responses: an instance that fails fast must not appear fast.
        if (operation.Kind == OperationKind.Inference)
            RecordFirstByte(attempt);
        attempt.Watcher = StreamWatcher.For(operation.End);
        if (attempt.Call.IsRepeatable)
            return new ProgressStream(source, held, ended, attempt.Watcher, attempt, context);
        return new RelayStream(source, held, ended, attempt, context);
    }

    /// <returns>The stream for the client; null if the client does not get this response.</returns>
    private async ValueTask<Stream?> WholeAsync(
        ForwardAttempt attempt, HttpContext context, bool isJson, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        var ended = false;
        if (attempt.Call.Operation.Kind == OperationKind.Inference)
        {
            ended = await HoldAsync(held, source, Settings.MaxHeldAnswer, cancellationToken);
            var usage = Usage.Read(held.Span.StartsWith(ByteOrderMark) ? held.Span[ByteOrderMark.Length..] : held.Span);
            // A model's response is never empty, and a response labelled as JSON must be JSON.
            if (ended && held.Length > 0 && !usage.IsReadable && isJson)
                attempt.Failure = InstanceFailure.BridgeError;
            if ((ended && (held.Length == 0 || attempt.Failure is not null)) || !Wins(attempt, context))
                return null;
            if (attempt.Lease.WasLoaded && !attempt.Call.IsUnload)
                firstTokens.Add(attempt.Call.ModelKey, isWhole: true, time.GetElapsedTime(attempt.SentAt));
            attempt.Call.InputTokens = usage.InputTokens;
            attempt.Call.OutputTokens = usage.OutputTokens;
            attempt.DecodeNanoseconds = usage.DecodeNanoseconds;
            attempt.PrefillNanoseconds = usage.PrefillNanoseconds;
        }

        return new RelayStream(source, held, ended, attempt, context);
    }

    /// <summary>
    /// Whether a response goes to the client: of a hedged request only the first one does. State that both attempts share is changed only after this
    /// returns true.
    /// </summary>
    private static bool Wins(ForwardAttempt attempt, HttpContext context)
    {
        if (attempt.Race is not { } race)
            return true;
        if (!race.TryWin(attempt))
            return false;
        (context.Features.Get<IHttpRequestLifetimeFeature>() as HedgeContext)?.Hear();
        return true;
    }

    /// <summary>
    /// Classifies an error at the beginning of a stream like an error response: the same error would have had a status if it had occurred earlier.
    /// </summary>
    private static InstanceFailure? FailureOf(RetainedResponse? told) =>
        told is null ? null : MemoryFailure.IsToldBy(told.Body.Span) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError;

    /// <summary>An error line of a native stream as the error response that Ollama sends before a stream begins; null for other lines.</summary>
    private static RetainedResponse? Retain(ReadOnlyMemory<byte> line) => line.IsEmpty || line.Span[0] != '{'
        ? null
        : new RetainedResponse(StatusCodes.Status500InternalServerError, "application/json; charset=utf-8", line);

    /// <summary>Reads until the end or the limit in bytes.</summary>
    /// <returns>Whether the end was reached.</returns>
    private static async ValueTask<bool> HoldAsync(BufferedBytes held, Stream source, int limit, CancellationToken cancellationToken)
    {
        while (held.Length < limit)
            if (await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0)
                return true;
        return false;
    }

    /// <summary>Whether the response is a stream: its content decides if the client requested a stream, else its label.</summary>
    private static async ValueTask<bool> IsStreamAsync(
        ForwardAttempt attempt, HttpResponseMessage response, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK)
            return false;
        var operation = attempt.Call.Operation;
        var isLabelled = ResponseShape.IsLabelled(response.Content.Headers.ContentType?.MediaType);
        var isAsked = attempt.Plan is not null || (attempt.Call.Facts.Stream ?? operation.StreamsByDefault);
        if (operation.End == StreamEnd.None || !isAsked)
            return isLabelled;
        var end = attempt.Plan is { } plan && plan.Path.StartsWith("/api/", StringComparison.Ordinal) ? StreamEnd.Done : operation.End;
        var hasLength = response.Content.Headers.ContentLength is not null;
        for (var isAll = false; ;)
        {
            if (ResponseShape.IsStream(end, isLabelled, hasLength, held.Span, isAll) is { } isStream)
                return isStream;
            isAll = await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0;
        }
    }

    private void RecordFirstByte(ForwardAttempt attempt)
    {
        // An unload generates no token.
        if (attempt.Call.IsUnload)
            return;
        var elapsed = time.GetElapsedTime(attempt.SentAt);
        AttemptTracing.RecordFirstByte(attempt);
        metrics.RecordFirstToken(Labels.OfGenAi(attempt.Call.Operation), attempt.Call.ModelKey, elapsed);
        if (!attempt.Lease.WasLoaded)
        {
            if (!attempt.IsLoadLearned)
                loadTimes.Add(attempt.Call.ModelKey, ModelSize.Of(attempt.Lease.Placement.View, attempt.Call.ModelKey), elapsed);
            attempt.IsLoadLearned = true;
            return;
        }

        attempt.Lease.Placement.State.AddTimeToFirstToken(elapsed.TotalSeconds, attempt.Call.Body?.Length ?? 0);
        firstTokens.Add(attempt.Call.ModelKey, isWhole: false, elapsed);
    }
}
