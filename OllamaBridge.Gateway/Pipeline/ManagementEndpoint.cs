using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Forwards changes of the models on disk: one at a time, and always to the same instance.</summary>
/// <remarks>The instances share one model folder, so a change on one of them applies to all.</remarks>
internal sealed class ManagementEndpoint(
    IFleet fleet, ModelStoreLock storeLock, ModelStoreWriters writers, BlobPresence blobs, RequestForwarder forwarder, ModelAudit audit) : IRequestStage
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(30);

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>();
        return operation.Operation.Kind == OperationKind.Management ? HandleAsync(context, operation) : next(context);
    }

    private async Task HandleAsync(HttpContext context, OperationFeature operation)
    {
        var tenant = ConfinedTenantFeature.Of(context);
        var key = context.Features.GetRequiredFeature<ModelSelection>().Key;
        if (key.Length > 0 && fleet.Current.For(tenant.Instances).Models.GetValueOrDefault(key) is { IsAsleep: true })
        {
            // A change does not start a sleeping tier, and must not hold the lock of the shared folder until the tier is up.
            await RefuseAsync(context, operation, "no instance has this model at the moment: its tier is scaled to zero");
            return;
        }

        var change = ModelChange.Of(operation, tenant, RequestBodyFeature.Of(context), key);
        var writer = writers.Choose(change, tried: null);
        var isBlob = change.Operation.Type == OperationType.Blob;
        if (isBlob && HttpMethods.IsPost(context.Request.Method))
        {
            (var isPresent, writer) = await FindBlobAsync(context, change, writer);
            if (isPresent)
                return;
        }

        // The instances share one folder: if the chosen one fails, another can take over.
        var target = new ForwardingTarget(writer, tried => writers.Choose(change, tried));
        // Checking a blob's presence changes nothing. A push changes nothing either, but its model must not be deleted meanwhile.
        if (isBlob && HttpMethods.IsHead(context.Request.Method))
        {
            await forwarder.ForwardAsync(context, target);
            return;
        }

        await using var lease = await storeLock.EnterAsync(context.RequestAborted);
        if (lease is null)
        {
            await RefuseAsync(context, operation, "another change of the models is still running");
            return;
        }

        audit.RecordBefore(context);
        // A client that pulls a model and requests it immediately must find it.
        var result = await forwarder.ForwardAsync(context, target with { BeforeCompletion = fleet.RefreshCatalogAsync });
        if (isBlob && result.AnsweredBy is { } instance)
            writers.Remember(operation.Rest, instance);
    }

    private static Task RefuseAsync(HttpContext context, OperationFeature operation, string message) =>
        ProtocolError.WriteAsync(context, operation.Operation.Protocol, StatusCodes.Status503ServiceUnavailable, message, Retry);

    /// <summary>Responds to an upload of a blob that exists; else returns the instance for the upload, null if none is usable. Ollama responds without reading
    /// the body; a client that keeps sending loses that response.</summary>
    private async Task<(bool IsPresent, Instance? Writer)> FindBlobAsync(HttpContext context, ModelChange change, Instance? writer)
    {
        HashSet<Instance>? gone = null;
        while (writer is { } instance)
        {
            switch (await blobs.QueryAsync(instance, change.Rest, context.RequestAborted))
            {
                case false:
                    return (false, instance);
                case true:
                    context.Features.GetRequiredFeature<RequestResult>().AnsweredBy = instance;
                    writers.Remember(change.Rest, instance);
                    await WritePresentAsync(context, instance);
                    return (true, instance);
            }

            (gone ??= []).Add(instance);
            writer = writers.Choose(change, gone);
        }

        return (false, writers.Choose(change, tried: null));
    }

    private static async Task WritePresentAsync(HttpContext context, Instance instance)
    {
        var waits = context.Request.Headers.Expect.Count > 0;
        context.Response.Headers[ResponseTransformer.InstanceHeader] = HeaderText.Encode(instance.Name);
        context.Response.ContentLength = 0;
        // A client that sent Expect: 100-continue does not send the body. Other clients must be able to finish sending it.
        if (waits)
            context.Response.Headers.Connection = "close";
        await context.Response.StartAsync(context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        if (!waits)
            await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
    }
}
