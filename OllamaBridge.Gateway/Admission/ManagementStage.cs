using System.Collections.Concurrent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Changes to the models on disk: from this machine only, one at a time, and always on the same instance.</summary>
/// <remarks>The instances share one model folder, so what one of them does is done for all.</remarks>
internal sealed class ManagementStage(IFleet fleet, WriterLock writers, ForwardingStage forwarding)
{
    // Uploads whose create is still to come; far more than anybody prepares at once.
    private const int MaxRemembered = 4096;
    private readonly ConcurrentDictionary<string, Instance> _blobs = new(StringComparer.Ordinal);

    /// <summary>Handles one request.</summary>
    public async Task HandleAsync(HttpContext context, BridgeCall call)
    {
        var protocol = call.Operation.Protocol;
        if (call.ModelKey.Length > 0 && fleet.Current.For(call.Tenant.Instances).Models.GetValueOrDefault(call.ModelKey) is { IsAsleep: true })
        {
            // Nobody is started to have a model taken away, nor does the folder's only writer wait for it.
            await ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable, "no instance has this model at the moment: its tier sleeps", TimeSpan.FromSeconds(30));
            return;
        }

        call.Pinned = ChooseWriter(call);
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
                "another change to the models is still under way", TimeSpan.FromSeconds(30));
            return;
        }

        // Whoever pulls a model and asks for it the next moment must find it.
        call.BeforeCompletion = fleet.RefreshCatalogAsync;
        await forwarding.HandleAsync(context, call);
        if (call.Operation.Name == "blob" && call.AnsweredBy is { } instance)
            Remember(call.Rest, instance);
    }

    /// <summary>Reading a blob's presence changes nothing; sending a model out neither, but it must not be deleted meanwhile.</summary>
    private static bool IsWrite(string method, Operation operation) => operation.Name != "blob" || !HttpMethods.IsHead(method);

    /// <summary>The instance that has the blobs, else always the same: the first by name that is usable and has what it takes.</summary>
    private Instance? ChooseWriter(BridgeCall call)
    {
        if (call.Operation.Name == "blob")
            return _blobs.TryGetValue(call.Rest, out var known) && IsUsable(call, known) ? known : First(call);
        foreach (var digest in call.Facts.Digests ?? [])
            if (_blobs.TryGetValue(digest, out var holder) && IsUsable(call, holder))
                return holder;
        return First(call);
    }

    private Instance? First(BridgeCall call)
    {
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        Instance? first = null;
        if (call.ModelKey.Length > 0 && snapshot.Models.TryGetValue(call.ModelKey, out var model))
        {
            foreach (var placement in model.Placements)
                if (placement is { Id: null, View.IsUsable: true } && (first is null || string.CompareOrdinal(placement.Instance.Name, first.Name) < 0))
                    first = placement.Instance;
            return first;
        }

        foreach (var view in snapshot.Instances)
            if (view is { IsUsable: true, Instance.OpenAI: null } && (first is null || string.CompareOrdinal(view.Instance.Name, first.Name) < 0))
                first = view.Instance;
        return first;
    }

    private bool IsUsable(BridgeCall call, Instance instance)
    {
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
