using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Reads the request's body; rejects a request whose body cannot be read.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits, BodyBuffer buffer, TimeProvider time)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private LimitOptions Limits => limits.Value;

    public async Task InvokeAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        var operation = call.Operation;
        // Kestrel's own limit would apply first and send its own error.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
            feature.MaxRequestBodySize = operation.UnbufferedBody ? null : Limits.MaxBody + 1;
        if (operation.UnbufferedBody)
        {
            context.Request.Body = new StallGuardStream(context.Request.Body, Limits.SlowClientTimeout, time);
            context.Response.RegisterForDispose(context.Request.Body);
        }

        if (operation.Model is ModelSource.None && (operation.UnbufferedBody || operation.Kind == OperationKind.Lookup))
        {
            await next(context);
            return;
        }

        try
        {
            if (operation.Model == ModelSource.Path)
                call.Facts = new RequestFacts { Model = Uri.UnescapeDataString(call.Rest) };
            else if (!await ReadAsync(context, call))
                return;
            await next(context);
        }
        finally
        {
            call.Body?.Dispose();
        }
    }

    /// <returns>False if an error was sent.</returns>
    private async Task<bool> ReadAsync(HttpContext context, BridgeCall call)
    {
        var protocol = call.Operation.Protocol;
        BodyResult result;
        try
        {
            result = await buffer.ReadAsync(context.Request, context.RequestAborted);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            result = new(null, BodyRefusal.TooLarge);
        }
        // (A chunk whose size overflows is an IOException; so is a broken connection, which needs no response.)
        catch (Exception e) when (e is IOException or OverflowException && !context.RequestAborted.IsCancellationRequested)
        {
            await BodyFault.WriteAsync(context, protocol, BodyFault.StatusOf(e));
            return false;
        }

        if (result.Body is null)
        {
            // The unread rest would be taken for the next request.
            context.Response.Headers.Connection = "close";
            await RefuseAsync(context, protocol, result.Refusal, TooLarge);
            return false;
        }

        call.Body = result.Body;
        if (RequestEncoding.Of(context.Request.Headers) is { } encoding && !await DecodeAsync(context, call, encoding))
            return false;
        call.Facts = call.Operation.Model == ModelSource.Form
            ? await TranscriptionForm.ReadAsync(context.Request, call.Body, context.RequestAborted)
            : Inspect(call);
        if (call.Facts.Fault is not { } fault)
            return true;
        await ProtocolError.WriteBindingErrorAsync(context, protocol, fault);
        return false;
    }

    /// <returns>False if an error was sent.</returns>
    private async Task<bool> DecodeAsync(HttpContext context, BridgeCall call, string encoding)
    {
        var protocol = call.Operation.Protocol;
        var result = await buffer.DecodeAsync(call.Body!, encoding, context.RequestAborted);
        call.Body = result.Body;
        if (result.Body is not null)
            return true;
        switch (result.Refusal)
        {
            case BodyRefusal.UnknownEncoding:
                context.Response.Headers.AcceptEncoding = RequestEncoding.Supported;
                await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status415UnsupportedMediaType, RequestEncoding.Unsupported(encoding));
                break;
            case BodyRefusal.Undecodable:
                await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status400BadRequest, RequestEncoding.Malformed(encoding));
                break;
            default:
                await RefuseAsync(
                    context, protocol, result.Refusal, $"the request's body is larger than {Limits.MaxBody} bytes once decoded (Bridge:Limits:MaxBody)");
                break;
        }

        return false;
    }

    private static Task RefuseAsync(HttpContext context, Protocol protocol, BodyRefusal refusal, string tooLarge) => refusal switch
    {
        BodyRefusal.TooLarge => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status413PayloadTooLarge, tooLarge),
        BodyRefusal.NoRoom => ProtocolError.WriteAsync(
            context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge holds too many large requests at the moment", Retry),
        _ => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge cannot store a large request at the moment", Retry),
    };

    private static RequestFacts Inspect(BridgeCall call) => call.Body!.IsInMemory
        ? RequestInspector.Inspect(call.Body.Bytes, call.Operation)
        : call.Body.Read(bytes => RequestInspector.Inspect(bytes, call.Operation));

    private string TooLarge => $"the request's body is larger than {Limits.MaxBody} bytes (Bridge:Limits:MaxBody)";
}
