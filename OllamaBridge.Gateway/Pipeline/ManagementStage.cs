using System.Collections.Concurrent;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Forwards changes of the models on disk: one at a time, and always to the same instance.</summary>
/// <remarks>The instances share one model folder, so a change on one of them applies to all.</remarks>
internal sealed class ManagementStage(IFleet fleet, ModelStoreLock writers, BlobPresence blobs, ForwardingStage forwarding, ModelAudit audit)
{
    // Uploads whose create request is still to come; far more than clients prepare at a time.
    private const int MaxRemembered = 4096;
    private readonly ConcurrentDictionary<string, Instance> _blobs = new(StringComparer.Ordinal);

    public async Task HandleAsync(HttpContext context, BridgeCall call)
    {
        var protocol = call.Operation.Protocol;
        if (call.ModelKey.Length > 0 && fleet.Current.For(call.Tenant.Instances).Models.GetValueOrDefault(call.ModelKey) is { IsAsleep: true })
        {
            // A change does not start a sleeping tier, and must not hold the lock of the shared folder until the tier is up.
            await ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable,
                "no instance has this model at the moment: its tier is scaled to zero", TimeSpan.FromSeconds(30));
            return;
        }

        var source = SourceKey(call);
        call.Pinned = ChooseWriter(call, source, tried: null);
        // The instances share one folder: if the chosen one fails, another can take over.
        call.ChooseNext = tried => ChooseWriter(call, source, tried);
        if (call.Operation.Name == "blob" && HttpMethods.IsPost(context.Request.Method) && await IsThereAsync(context, call))
            return;
        if (!IsWrite(context.Request.Method, call.Operation))
        {
            await forwarding.HandleAsync(context, call);
            return;
        }

        await using var turn = await writers.EnterAsync(context.RequestAborted);
        if (turn is null)
        {
            await ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable,
                "another change of the models is still running", TimeSpan.FromSeconds(30));
            return;
        }

        audit.NoteBefore(call);
        // A client that pulls a model and requests it immediately must find it.
        call.BeforeCompletion = fleet.RefreshCatalogAsync;
        await forwarding.HandleAsync(context, call);
        if (call.Operation.Name == "blob" && call.AnsweredBy is { } instance)
            Remember(call.Rest, instance);
    }

    /// <summary>
    /// Whether an operation needs the lock. Checking a blob's presence changes nothing. A push changes nothing either, but its model must not be deleted
    /// meanwhile.
    /// </summary>
    private static bool IsWrite(string method, Operation operation) => operation.Name != "blob" || !HttpMethods.IsHead(method);

    /// <summary>
    /// Responds to an upload of a blob that exists, and returns whether it did. Ollama responds without reading the body; a client that keeps sending loses
    /// that response.
    /// </summary>
    private async Task<bool> IsThereAsync(HttpContext context, BridgeCall call)
    {
        HashSet<Instance>? gone = null;
        while (call.Pinned is { } instance)
        {
            switch (await blobs.QueryAsync(instance, call.Rest, context.RequestAborted))
            {
                case false:
                    return false;
                case true:
                    call.AnsweredBy = instance;
                    Remember(call.Rest, instance);
                    await AnswerPresentAsync(context, instance);
                    return true;
            }

            (gone ??= []).Add(instance);
            call.Pinned = call.ChooseNext!(gone);
        }

        // No instance responds: the forwarding stage reports the error to the client.
        call.Pinned = call.ChooseNext!(new HashSet<Instance>());
        return false;
    }

    private static async Task AnswerPresentAsync(HttpContext context, Instance instance)
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

    /// <summary>The model that must be on the instance's disk: the source of a <c>create</c>, or the model of a <c>push</c>; null for none.</summary>
    private static string? SourceKey(BridgeCall call)
    {
        var name = call.Operation.Name switch
        {
            "create" when call.Body is { } body => body.Read(bytes => CreateSource.Read(bytes)),
            "push" => call.Facts.Model,
            _ => null,
        };
        return name is not null && ModelName.TryGetKey(name, out var key) ? key : null;
    }

    /// <summary>
    /// Chooses the instance that has the blobs or the source model, else the first usable one by name, preferably with the model, so that the choice is stable.
    /// </summary>
    private Instance? ChooseWriter(BridgeCall call, string? source, IReadOnlySet<Instance>? tried)
    {
        if (call.Operation.Name == "blob" && _blobs.TryGetValue(call.Rest, out var known) && IsUsable(call, known, tried))
            return known;
        foreach (var digest in call.Facts.Digests ?? [])
            if (_blobs.TryGetValue(digest, out var holder) && IsUsable(call, holder, tried))
                return holder;
        return (source is not null ? First(call, source, tried) : null) ?? First(call, call.ModelKey, tried);
    }

    private Instance? First(BridgeCall call, string modelKey, IReadOnlySet<Instance>? tried)
    {
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        Instance? first = null;
        if (modelKey.Length > 0)
        {
            foreach (var placement in snapshot.Models.GetValueOrDefault(modelKey)?.Placements ?? [])
                if (placement is { Id: null, View.IsUsable: true } && Precedes(placement.Instance))
                    first = placement.Instance;
            if (first is not null || modelKey == call.ModelKey)
                return first;
        }

        foreach (var view in snapshot.Instances)
            if (view is { IsUsable: true, Instance.OpenAI: null } && Precedes(view.Instance))
                first = view.Instance;
        return first;

        bool Precedes(Instance instance) =>
            tried?.Contains(instance) != true && (first is null || string.CompareOrdinal(instance.Name, first.Name) < 0);
    }

    private bool IsUsable(BridgeCall call, Instance instance, IReadOnlySet<Instance>? tried)
    {
        if (tried?.Contains(instance) == true)
            return false;
        foreach (var view in fleet.Current.For(call.Tenant.Instances).Instances)
            if (view.Instance == instance)
                return view.IsUsable;
        return false;
    }

    private void Remember(string digest, Instance instance)
    {
        if (_blobs.Count >= MaxRemembered)
            _blobs.Clear();
        _blobs[digest] = instance;
    }
}
