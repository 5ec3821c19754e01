using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Reads the request's body; rejects a request whose body cannot be read.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits, BodyBuffer buffer, TimeProvider time) : IRequestStage
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private LimitOptions Limits => limits.Value;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var (operation, rest) = context.Features.GetRequiredFeature<OperationFeature>();
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

        if (operation.Model == ModelSource.Path)
        {
            context.Features.Set(new RequestBodyFeature(new RequestFacts { Model = Uri.UnescapeDataString(rest) }, Body: null));
            await next(context);
            return;
        }

        if (await ReceiveAsync(context, operation.Protocol) is not { } received)
            return;
        try
        {
            var facts = operation.Model == ModelSource.Form
                ? await TranscriptionForm.ReadAsync(context.Request, received, context.RequestAborted)
                : Inspect(operation, received);
            context.Features.Set(new RequestBodyFeature(facts, received));
            if (facts.Fault is { } fault)
                await ProtocolError.WriteBindingErrorAsync(context, operation.Protocol, fault);
            else
                await next(context);
        }
        finally
        {
            received.Dispose();
        }
    }

    /// <summary>Reads and decodes the body; null if an error was sent.</summary>
    private async Task<ReplayableBody?> ReceiveAsync(HttpContext context, Protocol protocol)
    {
        var received = await ReadAsync(context, protocol);
        return received is not null && RequestEncoding.Of(context.Request.Headers) is { } encoding
            ? await DecodeAsync(context, protocol, received, encoding)
            : received;
    }

    private async Task<ReplayableBody?> ReadAsync(HttpContext context, Protocol protocol)
    {
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
            return null;
        }

        if (result.Body is null)
        {
            // The unread rest would be taken for the next request.
            context.Response.Headers.Connection = "close";
            await RefuseAsync(context, protocol, result.Refusal, TooLarge);
        }

        return result.Body;
    }

    /// <returns>Null if an error was sent; then <paramref name="received"/> is disposed.</returns>
    private async Task<ReplayableBody?> DecodeAsync(HttpContext context, Protocol protocol, ReplayableBody received, string encoding)
    {
        var result = await buffer.DecodeAsync(received, encoding, context.RequestAborted);
        if (result.Body is not null)
            return result.Body;
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

        return null;
    }

    private static Task RefuseAsync(HttpContext context, Protocol protocol, BodyRefusal refusal, string tooLarge) => refusal switch
    {
        BodyRefusal.TooLarge => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status413PayloadTooLarge, tooLarge),
        BodyRefusal.NoRoom => ProtocolError.WriteAsync(
            context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge holds too many large requests at the moment", Retry),
        _ => ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, "the bridge cannot store a large request at the moment", Retry),
    };

    private static RequestFacts Inspect(Operation operation, ReplayableBody body) => body.IsInMemory
        ? RequestInspector.Inspect(body.Bytes, operation)
        : body.Read(bytes => RequestInspector.Inspect(bytes, operation));

    private string TooLarge => $"the request's body is larger than {Limits.MaxBody} bytes (Bridge:Limits:MaxBody)";
}
