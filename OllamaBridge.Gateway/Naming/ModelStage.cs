using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Naming;

/// <summary>Finds the model that a request names, and answers at once where there is none for it.</summary>
internal sealed class ModelStage(
    IFleet fleet, ModelChains chains, InventoryStage inventory, IOptions<AccessOptions> options, BridgeMetrics metrics, TimeProvider time)
{
    private bool CloudModels => options.Value.CloudModels;

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

    /// <returns>Null if the request may go on.</returns>
    private (int Status, string Message)? Find(BridgeCall call)
    {
        var operation = call.Operation;
        if (operation.Model == ModelSource.None)
            return null;
        // Ollama would answer one of the two here and proxy the other.
        if (call.Facts.ExactModel is { } exact && ModelReference.Resolve(exact).Suffix == ModelSourceSuffix.Cloud)
            return (StatusCodes.Status400BadRequest, "the request names more than one model");
        var written = call.Facts.Model ?? "";
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        var reference = ModelReference.Resolve(written, operation.Naming);
        var (key, isCloud) = (reference.Key, reference.Suffix == ModelSourceSuffix.Cloud);
        // An id of an OpenAI server means itself, to the letter. Equal to the key unless something was trimmed or cut off.
        var literal = reference is { IsResolved: true, Suffix: ModelSourceSuffix.None } && written.Length == written.AsSpan().Trim().Length
            ? key : ModelName.KeyOf(written);
        if (literal != key && IsOpenAIModel(snapshot, call, literal, written, isResolved: key.Length > 0))
            (key, isCloud) = (literal, false);

        // A form is passed on as it is, and what changes models means those on disk: there names mean themselves.
        var chain = operation.Kind == OperationKind.Management || call.Facts.ModelEnd == 0 ? null
            : chains.Find(literal) ?? (key.Length > 0 ? chains.Find(key) : null);
        if (key.Length == 0 && chain is null)
            // Without a restriction an instance words best what is wrong with the name.
            return call.Tenant.Models is null ? null : ModelNameErrors.Unresolved(operation, reference.Fault, written);
        if (key.Length == 0)
            key = chain!.Key;
        if (operation.NeedsModel)
            call.ModelKey = key;
        // What a tenant may not use is not there for it; what it may not change, it may not.
        if (chain is not { IsAlias: true } && call.Tenant.Models?.Allows(key) == false)
            return operation.Kind == OperationKind.Management ? ModelNameErrors.NotForModel : Unknown(call, written);
        if (chain is not { IsAlias: true } && !CloudModels && LeavesTheFleet(call, snapshot, key, isCloud))
            return ModelNameErrors.CloudDisabled(operation);
        if (CheckOtherModel(call) is { } error)
            return error;
        if (!operation.NeedsModel)
            return null;
        if (chain is not null)
        {
            if (!TryChoose(call, snapshot, chain, written))
                return Unknown(call, written);
            isCloud = call.Alternatives!.Current.IsCloud;
        }

        if (snapshot.Find(call.ModelKey, call.Part) is not null || !snapshot.AnyCatalogKnown)
            return null;
        if (!call.Facts.IsPlain && snapshot.Find(call.ModelKey, new ModelPart(operation.Route, call.ModelName ?? written)) is not null)
            return (StatusCodes.Status400BadRequest, "the properties of a request for this model must be written in lower case, each once");
        if (!isCloud || operation.Kind == OperationKind.Management)
            return Unknown(call, written);
        // Every Ollama server reaches ollama.com's models, listed or not.
        (call.UnlistedModel, call.ModelKey) = (call.ModelKey, "");
        return null;
    }

    /// <summary>Whether a name is that of a model which only OpenAI servers have, and such a server would get the request.</summary>
    private static bool IsOpenAIModel(FleetSnapshot snapshot, BridgeCall call, string literal, string written, bool isResolved) =>
        isResolved
            ? snapshot.Models.ContainsKey(literal) && snapshot.Find(literal, call.PartOf(written)) is { Placements: { IsEmpty: false } placements } && placements.All(p => p.Id is not null)
            : snapshot.Models.ContainsKey(literal);

    /// <summary>Whether an instance would pass the request on to a server outside the fleet.</summary>
    private static bool LeavesTheFleet(BridgeCall call, FleetSnapshot snapshot, string key, bool isCloud) => call.Operation switch
    {
        { Kind: OperationKind.Inference or OperationKind.Lookup } => isCloud || snapshot.IsRemote(key),
        // Their entries may be deleted or copied; not made.
        { Name: "pull" } => isCloud || ModelReference.Resolve(key).Suffix == ModelSourceSuffix.Cloud,
        { Name: "create" } => !string.IsNullOrEmpty(call.Facts.RemoteHost)
            || (call.Facts.OtherModel is { } from && ModelReference.Resolve(from).Suffix == ModelSourceSuffix.Cloud),
        _ => false,
    };

    /// <summary>Checks the second model that a change of models names.</summary>
    private (int Status, string Message)? CheckOtherModel(BridgeCall call)
    {
        var operation = call.Operation;
        if (call.Tenant.Models is not { } allowed || call.Facts.OtherModel is not { Length: > 0 } other)
            return null;
        var reference = ModelReference.Resolve(other, operation.Name == "create" ? ModelNaming.Reference : operation.Naming);
        return reference.IsResolved && allowed.Allows(reference.Key) ? null : ModelNameErrors.NotForModel;
    }

    /// <summary>Settles which model is asked first: of those that the tenant may use the first that has somebody to ask, else simply the first.</summary>
    /// <returns>False where it may use none.</returns>
    private bool TryChoose(BridgeCall call, FleetSnapshot snapshot, ModelChain chain, string written)
    {
        var all = chain.IsAlias ? chain.Candidates : [new ModelCandidate(written, call.ModelKey), .. chain.Candidates];
        ImmutableArray<ModelCandidate> candidates = call.Tenant.Models is { } allowed ? all.RemoveAll(c => !allowed.Allows(c.Key)) : all;
        if (!CloudModels)
            candidates = candidates.RemoveAll(c => c.IsCloud || snapshot.IsRemote(c.Key));
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
