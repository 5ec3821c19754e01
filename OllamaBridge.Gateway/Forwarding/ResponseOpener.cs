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

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Reads the beginning of a response, and decides whether the client gets it or the request is sent to another instance.</summary>
internal sealed class ResponseOpener(IOptions<ForwardingOptions> options, ResumableStreams streams, FirstTokenRecorder firstTokens, TimeProvider time)
{
    private const int FirstRead = 4 * 1024;
    private const int ErrorLimit = 64 * 1024;
    private ForwardingOptions Settings => options.Value;

    private static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    /// <returns>Null if the client gets nothing of the response; <see cref="AttemptResult.Failure"/> is the reason.</returns>
    public async ValueTask<OpenedResponse?> OpenAsync(
        ForwardAttempt attempt, HttpContext context, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var result = attempt.Result;
        if (DecodedStream.Open(await response.Content.ReadAsStreamAsync(cancellationToken), response.Content.Headers) is not { } source)
        {
            result.Failure = InstanceFailure.BridgeError;
            return null;
        }

        var isRefused = IsRefused(attempt.Call.Operation, result.Status);
        var isStream = false;
        var held = new BufferedBytes();
        Stream? opened;
        try
        {
            isStream = !isRefused && await IsStreamAsync(attempt, response, source, held, cancellationToken);
            opened = isRefused ? await RefusedAsync(attempt, context, response, source, held, cancellationToken)
                : isStream ? await BegunAsync(attempt, context, source, held, cancellationToken)
                : attempt.Plan is not null ? null
                : await WholeAsync(
                    attempt, context, response.Content.Headers.ContentType?.MediaType == "application/json", source, held, cancellationToken);
        }
        catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && attempt.Withdrawn is not null))
        {
            // The response broke off, or the attempt was cancelled, before the client received anything.
            opened = null;
        }
        catch
        {
            held.Dispose();
            throw;
        }

        // From here on only the reader of the stream may cancel the attempt.
        if (opened is not null && (attempt.HasBegun || attempt.TryBegin()))
            return new OpenedResponse(opened, isStream, isRefused);
        if (!result.IsTooLong)
            result.Failure ??= attempt.Withdrawn ?? InstanceFailure.Broken;
        held.Dispose();
        return null;
    }

    private static bool IsRefused(Operation operation, int status) =>
        status >= 400 || (status >= 300 && operation.Kind is OperationKind.Inference or OperationKind.Lookup);

    private async ValueTask<Stream?> RefusedAsync(
        ForwardAttempt attempt, HttpContext context, HttpResponseMessage response, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        if (UpstreamErrorClassifier.IsBusy(status))
            attempt.Result.BusyFor = RetryAfter.Read(response.Headers, time.GetWallClock());
        if (attempt.Plan is not null)
        {
            // The instance can't resume the response. The client gets the error of the instance that began it.
            attempt.Result.Failure = InstanceFailure.ServerError;
            return null;
        }

        var ended = await HoldAsync(held, source, ErrorLimit, cancellationToken);
        attempt.Result.Failure = UpstreamErrorClassifier.Judge(attempt.Call.Operation, status, held.Span, attempt.Lease.Instance is { ApiKey: not null } or { IsPeer: true }, HttpMethods.IsHead(context.Request.Method));
        attempt.Result.IsRejected = attempt.Result.Failure is null;
        // The refused key is the bridge's own. To the client that is a failing server.
        if (UpstreamErrorClassifier.IsBridgesFault(status, attempt.Result.Failure))
            return null;
        attempt.Result.IsTooLong = ended && attempt.Call.Model.Alternatives is { HasNext: true } && FallbackRules.IsTooLong(status, held.Span);
        attempt.Result.WaitsForRoom = ended && attempt.Result.BusyFor is not null && BusyWait.IsPossible(attempt, response, time.GetTimestamp());
        if (attempt is { Result: { Failure: not null, WaitsForRoom: false }, Call.Operation: { Kind: OperationKind.Inference } operation }
            && response.Content.Headers.ContentType?.MediaType == "text/html")
        {
            // API clients can't read HTML pages, and a proxy's status is not part of the API.
            var shown = UpstreamErrorClassifier.StatusOfPage(status);
            attempt.Result.Retained = new RetainedResponse(
                shown, "application/json", ProtocolError.Body(operation.Protocol, shown, $"a proxy in front of the instance answered {status} with an HTML page"), attempt.Result.BusyFor ?? default);
            return null;
        }

        // A failed attempt of a hedged request is no response: the other attempt may succeed.
        var isKept = attempt.Result.IsTooLong || attempt.Result.WaitsForRoom || (attempt.Result.Failure is not null && ended && (attempt.Race is not null || attempt.TakeRetry()));
        if (!isKept)
            return Wins(attempt, context) ? new RelayStream(source, held, ended, attempt, context) : null;
        attempt.Result.Retained = new RetainedResponse(status, response.Content.Headers.ContentType?.ToString(), held.Span.ToArray(), attempt.Result.BusyFor ?? default);
        return null;
    }

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
            attempt.Result.Retained = Retain(held.Span.TrimEnd((byte)'\n').ToArray());
            attempt.Result.Failure = FailureOf(attempt.Result.Retained);
            return null;
        }

        if (!Wins(attempt, context))
            return null;
        if (streams.Open(attempt, source, held) is { } answer)
        {
            if (answer.LookAhead())
            {
                firstTokens.RecordFirstToken(attempt);
                return answer;
            }

            attempt.Result.Retained = Retain(attempt.ErrorLine);
            attempt.Result.Failure = FailureOf(attempt.Result.Retained);
            return null;
        }

        if (ResponseShape.IsError(held.Span) && operation.Kind == OperationKind.Inference && attempt.TakeRetry())
        {
            attempt.Result.Retained = Retain(held.Span.TrimEnd((byte)'\n').ToArray());
            attempt.Result.Failure = FailureOf(attempt.Result.Retained);
            return null;
        }

        // Only of successful responses: an instance that fails fast must not appear fast.
        if (operation.Kind == OperationKind.Inference)
            firstTokens.RecordFirstToken(attempt);
        attempt.Watcher = StreamWatcher.For(operation.End);
        if (attempt.Call.IsRepeatable)
            return new ProgressStream(source, held, ended, attempt.Watcher, attempt, context);
        return new RelayStream(source, held, ended, attempt, context);
    }

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
                attempt.Result.Failure = InstanceFailure.BridgeError;
            if ((ended && (held.Length == 0 || attempt.Result.Failure is not null)) || !Wins(attempt, context))
                return null;
            firstTokens.RecordWhole(attempt);
            attempt.Call.Result.InputTokens = usage.InputTokens;
            attempt.Call.Result.OutputTokens = usage.OutputTokens;
            attempt.Result.DecodeNanoseconds = usage.DecodeNanoseconds;
            attempt.Result.PrefillNanoseconds = usage.PrefillNanoseconds;
        }

        return new RelayStream(source, held, ended, attempt, context);
    }

    /// <summary>Of a hedged request only the first response wins. Shared state of the two attempts is changed only after this returns true.</summary>
    private static bool Wins(ForwardAttempt attempt, HttpContext context)
    {
        if (attempt.Race is not { } race)
            return true;
        if (!race.TryWin(attempt))
            return false;
        (context.Features.Get<IHttpRequestLifetimeFeature>() as HedgeContext)?.Select();
        return true;
    }

    private static InstanceFailure? FailureOf(RetainedResponse? error) =>
        error is null ? null : MemoryFailure.IsToldBy(error.Body.Span) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError;

    /// <summary>An error line of a native stream as the error response that Ollama sends before a stream begins; null for other lines.</summary>
    private static RetainedResponse? Retain(ReadOnlyMemory<byte> line) => line.IsEmpty || line.Span[0] != '{'
        ? null
        : new RetainedResponse(StatusCodes.Status500InternalServerError, "application/json; charset=utf-8", line);

    private static async ValueTask<bool> HoldAsync(BufferedBytes held, Stream source, int limit, CancellationToken cancellationToken)
    {
        while (held.Length < limit)
            if (await held.ReadOnceAsync(source, FirstRead, cancellationToken) == 0)
                return true;
        return false;
    }

    private static async ValueTask<bool> IsStreamAsync(
        ForwardAttempt attempt, HttpResponseMessage response, Stream source, BufferedBytes held, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK)
            return false;
        var operation = attempt.Call.Operation;
        var isLabelled = ResponseShape.IsLabelled(response.Content.Headers.ContentType?.MediaType);
        var isRequested = attempt.Plan is not null || attempt.Call.Streams;
        if (operation.End == StreamEnd.None || !isRequested)
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
}

internal readonly record struct OpenedResponse(Stream Stream, bool IsStream, bool IsRefused);
