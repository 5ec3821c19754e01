using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Writes an error in the client's protocol: as a status, or at the end of a stream that has begun.</summary>
internal static class ResponseFailure
{
    /// <summary><paramref name="lastFailure"/> is null if the request was sent to no instance.</summary>
    public static Task RefuseAsync(HttpContext context, ForwardedCall call, LeaseResult result, RetainedResponse? retained, InstanceFailure? lastFailure)
    {
        if (lastFailure is { } failure && result.Refusal is LeaseRefusal.AllTried or LeaseRefusal.NoneHealthy or LeaseRefusal.NotStarted or LeaseRefusal.StartRefused or LeaseRefusal.UnknownModel)
            return FailAsync(context, call, retained, failure);
        DescribeWait(context.Response.Headers, result);
        var (status, message) = result.Refusal switch
        {
            LeaseRefusal.UnknownModel => (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(call.Operation, call.Facts.Model ?? call.Rest)),
            LeaseRefusal.NotServed when call.Operation.Model != ModelSource.None && call.Operation.NeedsModel =>
                call.Facts.Model is { Length: > 0 } model
                    ? (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(call.Operation, model))
                    : (StatusCodes.Status400BadRequest, "model is required"),
            LeaseRefusal.NotServed => (StatusCodes.Status404NotFound, "no instance of this fleet serves that route"),
            LeaseRefusal.NoInstances => (
                StatusCodes.Status503ServiceUnavailable, "no instance is configured: set Bridge:Urls or Bridge:Instances:0:Url"),
            LeaseRefusal.QueueFull => (StatusCodes.Status503ServiceUnavailable, "server busy, please try again: the queue is full"),
            LeaseRefusal.WaitedTooLong => (StatusCodes.Status503ServiceUnavailable, "server busy, please try again: no slot came free in time"),
            LeaseRefusal.NotStarted => (
                StatusCodes.Status503ServiceUnavailable, "no instance with this model was started in time, please try again"),
            LeaseRefusal.StartRefused => (
                StatusCodes.Status503ServiceUnavailable, "no instance with this model can be started: the platform refuses it"),
            LeaseRefusal.PushedOut => (
                StatusCodes.Status503ServiceUnavailable, "server busy, please try again: the queue is full and the place went to another request"),
            LeaseRefusal.Stopped => (StatusCodes.Status503ServiceUnavailable, GracefulStop.Message),
            LeaseRefusal.DeadlinePassed => (
                StatusCodes.Status504GatewayTimeout, $"no slot came free before the request's deadline ({RequestPriority.DeadlineHeader})"),
            LeaseRefusal.DeadlineTooSoon => (
                StatusCodes.Status504GatewayTimeout, $"the wait for a slot would be longer than the request's deadline ({RequestPriority.DeadlineHeader})"),
            _ => (StatusCodes.Status503ServiceUnavailable, "no healthy instance has this model at the moment"),
        };
        return WriteAsync(context, call, status, message, result.Refusal is LeaseRefusal.UnknownModel or LeaseRefusal.NotServed ? null : result.RetryAfter);
    }

    public static Task FailAsync(HttpContext context, ForwardedCall call, RetainedResponse? retained, InstanceFailure failure)
    {
        if (retained is not null)
            return WriteAsync(context, call, retained);
        var (status, message) = failure switch
        {
            InstanceFailure.TimedOut => (StatusCodes.Status504GatewayTimeout, "the instance did not respond in time"),
            InstanceFailure.Refused => (StatusCodes.Status502BadGateway, "the instance could not be reached"),
            InstanceFailure.BridgeError => (StatusCodes.Status502BadGateway, "the bridge could not send the request or read the instance's response; see its log"),
            InstanceFailure.Stopped => (StatusCodes.Status503ServiceUnavailable, GracefulStop.Message),
            _ => (StatusCodes.Status502BadGateway, "the instance's response broke off"),
        };
        return WriteAsync(context, call, status, message, failure == InstanceFailure.Stopped ? GracefulStop.RetryAfter : null);
    }

    /// <param name="status">The HTTP status that corresponds to <paramref name="tail"/>.</param>
    public static async Task EndAsync(HttpContext context, ForwardedCall call, ReadOnlyMemory<byte> tail, int status)
    {
        call.Result.Outcome ??= status < StatusCodes.Status500InternalServerError ? RequestOutcome.Rejected : RequestOutcome.Failed;
        await context.Response.Body.WriteAsync(tail, context.RequestAborted);
    }

    private static Task WriteAsync(HttpContext context, ForwardedCall call, int status, string message, TimeSpan? retryAfter) =>
        RestartableResponse.HasBegun(context)
            ? EndAsync(context, call, ProtocolError.StreamTail(call.Operation.End, message, status), status)
            : ProtocolError.WriteAsync(context, call.Operation.Protocol, status, message, retryAfter);

    private static async Task WriteAsync(HttpContext context, ForwardedCall call, RetainedResponse answer)
    {
        if (RestartableResponse.HasBegun(context))
        {
            await EndAsync(context, call, Tail(call.Operation.End, answer), answer.Status);
            return;
        }

        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        if (answer.RetryAfter > TimeSpan.Zero)
            context.Response.Headers.RetryAfter = Math.Ceiling(answer.RetryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        context.Response.ContentLength = answer.Body.Length;
        await context.Response.Body.WriteAsync(answer.Body, context.RequestAborted);
    }

    private static ReadOnlyMemory<byte> Tail(StreamEnd end, RetainedResponse answer)
    {
        var body = answer.Body.Span.Trim(" \r\n\t"u8);
        if (body.Contains((byte)'\n') || !IsObject(body))
            return ProtocolError.StreamTail(end, "the instance failed", answer.Status);
        return end switch
        {
            StreamEnd.DoneMarker => (byte[])[.. "data: "u8, .. body, .. "\n\n"u8],
            StreamEnd.MessageStop or StreamEnd.ResponseEvent => (byte[])[.. "event: error\ndata: "u8, .. body, .. "\n\n"u8],
            _ => (byte[])[.. body, (byte)'\n'],
        };
    }

    private static bool IsObject(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            return reader.Read() && reader.TokenType == JsonTokenType.StartObject && reader.TrySkip() && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void DescribeWait(IHeaderDictionary headers, in LeaseResult result)
    {
        if (result.Position > 0)
            headers[RequestPriority.PositionHeader] = result.Position.ToString(CultureInfo.InvariantCulture);
        if (result.EstimatedWait is { } wait)
            headers[RequestPriority.EstimatedWaitHeader] = wait.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
    }
}
