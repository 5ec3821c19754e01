using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Resolves the model that a request names, and rejects the request if there is none.</summary>
internal sealed class ModelStage(
    IFleet fleet, ModelChains chains, RegistryRules registries, InventoryStage inventory, IOptions<AccessOptions> options, CatalogMetrics metrics, TimeProvider time)
{
    private bool CloudModels => options.Value.CloudModels;

    private bool ImageUrls => options.Value.ImageUrls;

    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        if (call.Operation.Name == "model" && inventory.FindModel(call) is { } model)
            return InventoryStage.WriteAsync(context, model, "application/json");
        // The server's router matches names of one segment only.
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

    /// <returns>Null if the request can continue.</returns>
    private (int Status, string Message)? Find(BridgeCall call)
    {
        var operation = call.Operation;
        if (operation.Model == ModelSource.None)
            return null;
        if (call.Facts.HasRemoteMedia && !ImageUrls)
            return (StatusCodes.Status400BadRequest, RemoteMedia.Refusal);
        if (registries.Check(operation, call.Facts) is { } refused)
            return refused;
        // Ollama would serve one of the two itself and proxy the other.
        if (call.Facts.ExactModel is { } exact && ModelReference.Resolve(exact).Suffix == ModelSourceSuffix.Cloud)
            return (StatusCodes.Status400BadRequest, "the request names more than one model");
        var written = call.Facts.Model ?? "";
        var snapshot = fleet.Current.For(call.Tenant.Instances);
        var reference = ModelReference.Resolve(written, operation.Naming);
        var (key, isCloud) = (reference.Key, reference.Suffix == ModelSourceSuffix.Cloud);
        // The id of an OpenAI server's model is compared literally. It equals the key unless parsing trimmed or cut off a part.
        var literal = reference is { IsResolved: true, Suffix: ModelSourceSuffix.None } && written.Length == written.AsSpan().Trim().Length
            ? key : ModelName.KeyOf(written);
        if (literal != key && IsOpenAIModel(snapshot, call, literal, written, isResolved: key.Length > 0))
            (key, isCloud) = (literal, false);

        // Aliases and fallbacks don't apply to forms, which are forwarded unchanged, nor to management operations, which mean the models on disk.
        var chain = operation.Kind == OperationKind.Management || call.Facts.ModelEnd == 0 ? null
            : chains.Find(literal) ?? (key.Length > 0 ? chains.Find(key) : null);
        if (key.Length == 0 && chain is null)
            // Without a restriction on models, the instance's own error describes the invalid name best.
            return call.Tenant.Models is null ? null : ModelNameErrors.Unresolved(operation, reference.Fault, written);
        if (key.Length == 0)
            key = chain!.Key;
        if (operation.NeedsModel)
            call.ModelKey = key;
        // A model that the tenant may not use is reported as unknown; a forbidden change is reported as forbidden.
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
            return (StatusCodes.Status400BadRequest, "the properties of a request for this model must be written in lower case and must not be repeated");
        if (!isCloud || operation.Kind == OperationKind.Management)
            return Unknown(call, written);
        // Every Ollama server can serve ollama.com's models, listed or not.
        (call.UnlistedModel, call.ModelKey) = (call.ModelKey, "");
        return null;
    }

    /// <summary>Whether only OpenAI servers have a model of this name, and one of them would get the request.</summary>
    private static bool IsOpenAIModel(FleetSnapshot snapshot, BridgeCall call, string literal, string written, bool isResolved) =>
        isResolved
            ? snapshot.Models.ContainsKey(literal) && snapshot.Find(literal, call.PartOf(written)) is { Placements: { IsEmpty: false } placements } && placements.All(p => p.Id is not null)
            : snapshot.Models.ContainsKey(literal);

    /// <summary>Whether an instance would forward the request to a server outside the fleet.</summary>
    private static bool LeavesTheFleet(BridgeCall call, FleetSnapshot snapshot, string key, bool isCloud) => call.Operation switch
    {
        { Kind: OperationKind.Inference or OperationKind.Lookup } => isCloud || snapshot.IsRemote(key),
        // Entries of cloud models can be deleted and copied, but not created.
        { Name: "pull" } => isCloud || ModelReference.Resolve(key).Suffix == ModelSourceSuffix.Cloud,
        { Name: "create" } => !string.IsNullOrEmpty(call.Facts.RemoteHost)
            || (call.Facts.OtherModel is { } from && ModelReference.Resolve(from).Suffix == ModelSourceSuffix.Cloud),
        _ => false,
    };

    /// <summary>Checks the second model that a management request names.</summary>
    private (int Status, string Message)? CheckOtherModel(BridgeCall call)
    {
        var operation = call.Operation;
        if (call.Tenant.Models is not { } allowed || call.Facts.OtherModel is not { Length: > 0 } other)
            return null;
        var reference = ModelReference.Resolve(other, operation.Name == "create" ? ModelNaming.Reference : operation.Naming);
        return reference.IsResolved && allowed.Allows(reference.Key) ? null : ModelNameErrors.NotForModel;
    }

    /// <summary>Selects the model to use first: the first permitted candidate with a usable instance, or else the first permitted one.</summary>
    /// <returns>False if the tenant may use none of them.</returns>
    private bool TryChoose(BridgeCall call, FleetSnapshot snapshot, ModelChain chain, string written)
    {
        var all = chain.IsAlias ? chain.Candidates : [new ModelCandidate(written, call.ModelKey), .. chain.Candidates];
        ImmutableArray<ModelCandidate> candidates = call.Tenant.Models is { } allowed ? all.RemoveAll(c => !allowed.Allows(c.Key)) : all;
        if (!CloudModels)
            candidates = candidates.RemoveAll(c => c.IsCloud || snapshot.IsRemote(c.Key));
        if (candidates.IsEmpty)
            return false;
        // A lookup describes one model, so fallbacks don't apply.
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
