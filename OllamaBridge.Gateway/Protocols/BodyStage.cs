using Microsoft.Extensions.Options;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the body; answers at once one that cannot be read.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits)
{
    private readonly long _limit = limits.Value.MaxBody;

    /// <summary>Handles one request.</summary>
    public async Task InvokeAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        var operation = call.Operation;
        // Kestrel's own limit would hit first and word it its own way.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
            feature.MaxRequestBodySize = operation.UnbufferedBody ? null : _limit + 1;
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
        try
        {
            call.Body = await ReplayableBody.ReadAsync(context.Request, _limit, context.RequestAborted);
        }
        catch (BadHttpRequestException e)
        {
            await ProtocolError.WriteAsync(context, protocol, e.StatusCode, e.StatusCode == StatusCodes.Status408RequestTimeout
                ? "the request's body came too slowly"
                : e.StatusCode == StatusCodes.Status413PayloadTooLarge ? TooLarge : "the request's body could not be read");
            return false;
        }

        if (call.Body is null)
        {
            // What was not read would be taken for the next request.
            context.Response.Headers.Connection = "close";
            await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status413PayloadTooLarge, TooLarge);
            return false;
        }

        call.Facts = call.Operation.Model == ModelSource.Form
            ? await TranscriptionForm.ReadAsync(context.Request, call.Body, context.RequestAborted)
            : RequestInspector.Inspect(call.Body.Bytes, call.Operation);
        if (call.Facts.Fault is not { } fault)
            return true;
        await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status400BadRequest, fault);
        call.Body.Dispose();
        return false;
    }

    private string TooLarge => $"the request's body is larger than {_limit} bytes (Bridge:Limits:MaxBody)";
}
