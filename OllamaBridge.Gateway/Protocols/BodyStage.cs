using Microsoft.Extensions.Options;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the body; answers at once one that cannot be read.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits)
{
    // Ollama's words (middleware/openai.go, TranscriptionMiddleware), followed by those of Go's mime/multipart.
    private const string BadForm = "failed to parse multipart form: ";
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
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            await ProtocolError.WriteAsync(context, protocol, e.StatusCode, TooLarge);
            return false;
        }
        // (A chunk whose size overflows is an IOException; so is a connection that broke, which then is nobody's to tell.)
        catch (Exception e) when (e is IOException or OverflowException && !context.RequestAborted.IsCancellationRequested)
        {
            await BodyFault.WriteAsync(context, protocol, BodyFault.StatusOf(e));
            return false;
        }

        if (call.Body is null)
        {
            // What was not read would be taken for the next request.
            context.Response.Headers.Connection = "close";
            await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status413PayloadTooLarge, TooLarge);
            return false;
        }

        if (RequestEncoding.Of(context.Request.Headers) is { } encoding
            && await RequestEncoding.DecodeAsync(call.Body, encoding, _limit, context.RequestAborted) is { } undecodable)
        {
            if (undecodable.Status == StatusCodes.Status415UnsupportedMediaType)
                context.Response.Headers.AcceptEncoding = RequestEncoding.Supported;
            await ProtocolError.WriteAsync(context, protocol, undecodable.Status, undecodable.Message);
            call.Body.Dispose();
            return false;
        }

        call.Facts = call.Operation.Model == ModelSource.Form
            ? await ReadFormAsync(context.Request.ContentType, call.Body, context.RequestAborted)
            : RequestInspector.Inspect(call.Body.Bytes, call.Operation);
        if (call.Facts.Fault is not { } fault)
            return true;
        await ProtocolError.WriteBindingErrorAsync(context, protocol, fault);
        call.Body.Dispose();
        return false;
    }

    private string TooLarge => $"the request's body is larger than {_limit} bytes (Bridge:Limits:MaxBody)";

    private static async Task<RequestFacts> ReadFormAsync(string? contentType, ReplayableBody body, CancellationToken cancellationToken)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type)
            || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            return new RequestFacts { Fault = BadForm + "request Content-Type isn't multipart/form-data" };
        if (HeaderUtilities.RemoveQuotes(type.Boundary).ToString() is not { Length: > 0 } boundary)
            return new RequestFacts { Fault = BadForm + "no multipart boundary param in Content-Type" };
        string? model = null;
        bool? stream = null;
        var models = 0;
        try
        {
            await using var bytes = body.OpenRead();
            var reader = new MultipartReader(boundary, bytes) { BodyLengthLimit = null };
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                if (section.AsFormDataSection() is not { } field || section.GetContentDispositionHeader() is not { FileName.Length: 0 })
                    continue;
                if (field.Name == "model")
                {
                    model = await field.GetValueAsync(cancellationToken);
                    models++;
                }
                else if (field.Name == "stream")
                    stream = await field.GetValueAsync(cancellationToken) == "true";
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return new RequestFacts { Fault = BadForm + "multipart: NextPart: EOF" };
        }

        // The server looks for the model before the file.
        return string.IsNullOrEmpty(model)
            ? new RequestFacts { Fault = "model is required" }
            : new RequestFacts { Model = model, Stream = stream, IsPlain = models == 1 };
    }
}
