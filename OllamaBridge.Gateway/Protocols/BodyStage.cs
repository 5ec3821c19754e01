using Microsoft.Extensions.Options;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the body, finds the model, and answers at once what need not trouble an instance.</summary>
internal sealed class BodyStage(IOptions<LimitOptions> limits, IFleet fleet)
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
        {
            if (FindModel(call) is { } error)
                await ProtocolError.WriteAsync(context, operation.Protocol, error.Status, error.Message);
            else
                await next(context);
        }
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
            ? await ReadFormAsync(context.Request.ContentType, call.Body, context.RequestAborted)
            : RequestInspector.Inspect(call.Body.Bytes, call.Operation);
        if (call.Facts.Fault is not { } fault)
            return true;
        await ProtocolError.WriteAsync(context, protocol, StatusCodes.Status400BadRequest, fault);
        call.Body.Dispose();
        return false;
    }

    private string TooLarge => $"the request's body is larger than {_limit} bytes (Bridge:Limits:MaxBody)";

    /// <summary>Finds the model in the fleet.</summary>
    /// <returns>Null where the request may go on.</returns>
    private (int Status, string Message)? FindModel(BridgeCall call)
    {
        var operation = call.Operation;
        // What a tenant may not use is not there for it; what it may not change, it may not.
        if (call.Tenant.Models is { } allowed && !string.IsNullOrEmpty(call.Facts.Model)
            && ModelName.TryGetKey(call.Facts.Model, out var asked) && !allowed.Allows(asked))
            return operation.Kind == OperationKind.Management
                ? (StatusCodes.Status403Forbidden, "this API key is not for that model")
                : (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(operation, call.Facts.Model));
        if (!operation.NeedsModel)
            return null;
        // An empty or impossible name is left to an instance, which words it best.
        if (string.IsNullOrEmpty(call.Facts.Model) || !ModelName.TryGetKey(call.Facts.Model, out var key))
            return null;
        call.ModelKey = key;
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        if (snapshot.Models.ContainsKey(key) || !snapshot.AnyCatalogKnown)
            return null;
        return call.Operation.Kind == OperationKind.Inference && ModelName.IsCloud(call.Facts.Model)
            ? (StatusCodes.Status403Forbidden, "ollama cloud is disabled: remote model is unavailable")
            : (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(call.Operation, call.Facts.Model));
    }

    private static async Task<RequestFacts> ReadFormAsync(string? contentType, ReplayableBody body, CancellationToken cancellationToken)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type)
            || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
            || HeaderUtilities.RemoveQuotes(type.Boundary).ToString() is not { Length: > 0 } boundary)
            return new RequestFacts { Fault = "request Content-Type isn't multipart/form-data" };
        string? model = null;
        bool? stream = null;
        try
        {
            await using var bytes = body.OpenRead();
            var reader = new MultipartReader(boundary, bytes) { BodyLengthLimit = null };
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                if (section.AsFormDataSection() is not { } field || section.GetContentDispositionHeader() is not { FileName.Length: 0 })
                    continue;
                if (field.Name == "model")
                    model = await field.GetValueAsync(cancellationToken);
                else if (field.Name == "stream")
                    stream = await field.GetValueAsync(cancellationToken) == "true";
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return new RequestFacts { Fault = "the multipart body is not well-formed" };
        }

        return new RequestFacts { Model = model, Stream = stream };
    }
}
