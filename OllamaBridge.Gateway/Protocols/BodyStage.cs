using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the body; answers at once one that cannot be read.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits, BodyBuffer buffer, TimeProvider time)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private readonly long _limit = limits.Value.MaxBody;
    private readonly TimeSpan _stall = limits.Value.SlowClientTimeout;

    /// <summary>Handles one request.</summary>
    public async Task InvokeAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        var operation = call.Operation;
        // Kestrel's own limit would hit first and word it its own way.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
            feature.MaxRequestBodySize = operation.UnbufferedBody ? null : _limit + 1;
        if (operation.UnbufferedBody)
        {
            context.Request.Body = new StallGuardStream(context.Request.Body, _stall, time);
            context.Response.RegisterForDispose(context.Request.Body);
        }

        if (operation.Model is ModelSource.None && (operation.UnbufferedBody || operation.Kind == OperationKind.Lookup))
        {
            await next(context);
            return;
        }

        if (operation.Model == ModelSource.Path)
            call.Facts = new RequestFacts { Model = Uri.UnescapeDataString(call.Rest) };
        else if (!await ReadAsync(context, call))
            return;
        using (call.Body)
            await next(context);
    }

    /// <returns>False where the request has been answered.</returns>
    private async Task<bool> ReadAsync(HttpContext context, BridgeCall call)
    {
        var protocol = call.Operation.Protocol;
        BodyResult result;
        try
        {
            result = await buffer.ReadAsync(context.Request, context.RequestAborted);
        }
        catch (BadHttpRequestException e)
        {
            if (e.StatusCode == StatusCodes.Status408RequestTimeout)
                context.Response.Headers.Connection = "close";
            await ProtocolError.WriteAsync(context, protocol, e.StatusCode, e.StatusCode == StatusCodes.Status408RequestTimeout
                ? "the request's body came too slowly"
                : e.StatusCode == StatusCodes.Status413PayloadTooLarge ? TooLarge : "the request's body could not be read");
            return false;
        }

        if (result.Body is null)
        {
            // What was not read would be taken for the next request.
            context.Response.Headers.Connection = "close";
            await (result.Refusal switch
            {
                BodyRefusal.TooLarge => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status413PayloadTooLarge, TooLarge),
                BodyRefusal.NoRoom => ProtocolError.WriteAsync(
                    context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge holds too many large requests at the moment", Retry),
                _ => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge cannot store a large request at the moment", Retry),
            });
            return false;
        }

        call.Body = result.Body;
        call.Facts = call.Operation.Model == ModelSource.Form
            ? await TranscriptionForm.ReadAsync(context.Request, call.Body, context.RequestAborted)
            : Inspect(call);
        if (call.Facts.Fault is not { } fault)
            return true;
        await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status400BadRequest, fault);
        call.Body.Dispose();
        return false;
    }

    private static RequestFacts Inspect(BridgeCall call) => call.Body!.IsInMemory
        ? RequestInspector.Inspect(call.Body.Bytes, call.Operation)
        : call.Body.Read(bytes => RequestInspector.Inspect(bytes, call.Operation));

    private string TooLarge => $"the request's body is larger than {_limit} bytes (Bridge:Limits:MaxBody)";
}
