using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Naming;

/// <summary>Finds the model that a request names, and answers at once where there is none for it.</summary>
internal sealed class ModelStage(IFleet fleet, ModelChains chains, InventoryStage inventory, BridgeMetrics metrics, TimeProvider time)
{
    /// <summary>Handles one request.</summary>
    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        if (call.Operation.Name == "model" && inventory.FindModel(call) is { } model)
            return InventoryStage.WriteAsync(context, model, "application/json");
        // The server's router knows names of one segment only.
        if (call.Operation.Name == "model" && call.Facts.Model?.Contains('/', StringComparison.Ordinal) == true)
            return ProtocolStage.NotFound(context);
        var error = Find(call);
        if (error is null && RequestEncoding.Of(context.Request.Headers) is { } encoding
            && !EncodedBodies.MayBeSent(call, encoding, fleet.Current.For(call.Tenant.Instances)))
        {
            context.Response.Headers.AcceptEncoding = string.Join(", ", call.Operation.Encodings.DefaultIfEmpty("identity"));
            return ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status415UnsupportedMediaType, RequestEncoding.Unsupported(encoding));
        }

        return error is { } mistake
            ? ProtocolError.WriteAsync(context, call.Operation.Protocol, mistake.Status, mistake.Message)
            : next(context, call);
    }

    /// <returns>Null where the request may go on.</returns>
    private (int Status, string Message)? Find(BridgeCall call)
    {
        var operation = call.Operation;
        if (call.Facts.Model is not { Length: > 0 } written)
            return null;
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        var isName = ModelName.TryGetKey(written, out var key);
        if (!isName)
            key = ModelName.KeyOf(written);
        // A form is passed on as it is, and what changes models means those on disk: there names mean themselves.
        var chain = operation.Kind == OperationKind.Management || call.Facts.ModelEnd == 0 ? null : chains.Find(key);
        // An impossible name is left to an instance, which words it best.
        if (!isName && chain is null && !snapshot.Models.ContainsKey(key))
            return null;
        // What a tenant may not use is not there for it; what it may not change, it may not.
        if (chain is not { IsAlias: true } && call.Tenant.Models?.Allows(key) == false)
            return operation.Kind == OperationKind.Management
                ? (StatusCodes.Status403Forbidden, "this API key is not for that model")
                : Unknown(call, written);
        if (!operation.NeedsModel)
            return null;
        call.ModelKey = key;
        if (chain is not null && !TryChoose(call, snapshot, chain, written))
            return Unknown(call, written);
        if (snapshot.Find(call.ModelKey, call.Part) is not null || !snapshot.AnyCatalogKnown)
            return null;
        if (!call.Facts.IsPlain && snapshot.Find(call.ModelKey, new ModelPart(operation.Route, call.ModelName ?? written)) is not null)
            return (StatusCodes.Status400BadRequest, "the properties of a request for this model must be written in lower case, each once");
        return operation.Kind == OperationKind.Inference && ModelName.IsCloud(written)
            ? (StatusCodes.Status403Forbidden, "ollama cloud is disabled: remote model is unavailable")
            : Unknown(call, written);
    }

    /// <summary>Settles which model is asked first: of those that the tenant may use the first that has somebody to ask, else simply the first.</summary>
    /// <returns>False where it may use none.</returns>
    private bool TryChoose(BridgeCall call, FleetSnapshot snapshot, ModelChain chain, string written)
    {
        var all = chain.IsAlias ? chain.Candidates : [new ModelCandidate(written), .. chain.Candidates];
        ImmutableArray<ModelCandidate> candidates = call.Tenant.Models is { } allowed ? all.RemoveAll(c => !allowed.Allows(c.Key)) : all;
        if (candidates.IsEmpty)
            return false;
        // A lookup tells of one model, not of another in its place.
        if (call.Operation.Kind != OperationKind.Inference)
            candidates = candidates[..1];
        var alternatives = new ModelAlternatives(candidates);
        var first = alternatives.Current;
        var now = time.GetTimestamp();
        if (alternatives.AnyUsable(snapshot, call, now))
            while (!ModelAlternatives.IsUsable(snapshot, call, alternatives.Current, now))
                alternatives.TryNext();
        call.Alternatives = alternatives;
        if (chain.IsAlias || alternatives.Current != first)
            call.StandIn(alternatives.Current);
        if (alternatives.Current != first)
            metrics.RecordFallback(first.Key, FallbackCause.Unavailable);
        return true;
    }

    private static (int Status, string Message) Unknown(BridgeCall call, string written) =>
        (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(call.Operation, written));
}
