using System.Collections.Immutable;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Resolves the model that a request names, and rejects the request if there is none.</summary>
internal sealed class ModelStage(
    IFleet fleet, ModelChains chains, RegistryRules registries, FleetInventory inventory, IOptions<AccessOptions> options, CatalogMetrics metrics, TimeProvider time) : IRequestStage
{
    private bool CloudModels => options.Value.CloudModels;

    private bool ImageUrls => options.Value.ImageUrls;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = Request.Of(context);
        context.Features.Set(request.Model);
        if (request.Operation.Type == OperationType.Model && inventory.FindModel(request.Tenant, request.Facts.Model) is { } model)
            return RouterResponse.WriteAsync(context, model, "application/json");
        // The server's router matches names of one segment only.
        if (request.Operation.Type == OperationType.Model && request.Facts.Model?.Contains('/', StringComparison.Ordinal) == true)
            return RouterResponse.NotFoundAsync(context);
        var error = Find(request);
        if (error is null && RequestEncoding.Of(context.Request.Headers) is { } encoding
            && !EncodedBodies.MayBeSent(request.Operation, request.Body.Body, request.Model, encoding, fleet.Current.For(request.Tenant.Instances)))
        {
            context.Response.Headers.AcceptEncoding = string.Join(", ", request.Operation.Encodings.DefaultIfEmpty("identity"));
            return ProtocolError.WriteAsync(
                context, request.Operation.Protocol, StatusCodes.Status415UnsupportedMediaType, RequestEncoding.Unsupported(encoding));
        }

        return error is { } mistake
            ? ProtocolError.WriteAsync(context, request.Operation.Protocol, mistake.Status, mistake.Message)
            : next(context);
    }

    /// <returns>Null if the request can continue.</returns>
    private (int Status, string Message)? Find(in Request request)
    {
        var operation = request.Operation;
        if (operation.Model == ModelSource.None)
            return null;
        if (request.Facts.HasRemoteMedia && !ImageUrls)
            return (StatusCodes.Status400BadRequest, RemoteMedia.Refusal);
        if (registries.Check(operation, request.Facts) is { } refused)
            return refused;
        // Ollama would serve one of the two itself and proxy the other.
        if (request.Facts.ExactModel is { } exact && ModelReference.Resolve(exact).Suffix == ModelSourceSuffix.Cloud)
            return (StatusCodes.Status400BadRequest, "the request names more than one model");
        var written = request.Facts.Model ?? "";
        var snapshot = fleet.Current.For(request.Tenant.Instances);
        var reference = ModelReference.Resolve(written, operation.Naming);
        var (key, isCloud) = (reference.Key, reference.Suffix == ModelSourceSuffix.Cloud);
        // The id of an OpenAI server's model is compared literally. It equals the key unless parsing trimmed or cut off a part.
        var literal = reference is { IsResolved: true, Suffix: ModelSourceSuffix.None } && written.Length == written.AsSpan().Trim().Length
            ? key : ModelName.KeyOf(written);
        if (literal != key && IsOpenAIModel(snapshot, request, literal, written, isResolved: key.Length > 0))
            (key, isCloud) = (literal, false);

        // Aliases and fallbacks don't apply to forms, which are forwarded unchanged, nor to management operations, which mean the models on disk.
        var chain = operation.Kind == OperationKind.Management || request.Facts.ModelEnd == 0 ? null
            : chains.Find(literal) ?? (key.Length > 0 ? chains.Find(key) : null);
        if (key.Length == 0 && chain is null)
            // Without a restriction on models, the instance's own error describes the invalid name best.
            return request.Tenant.Models is null ? null : ModelNameErrors.Unresolved(operation, reference.Fault, written);
        if (key.Length == 0)
            key = chain!.Key;
        if (operation.NeedsModel)
            request.Model.Key = key;
        // A model that the tenant may not use is reported as unknown; a forbidden change is reported as forbidden.
        if (chain is not { IsAlias: true } && request.Tenant.Models?.Allows(key) == false)
            return operation.Kind == OperationKind.Management ? ModelNameErrors.NotForModel : Unknown(request, written);
        if (chain is not { IsAlias: true } && !CloudModels && LeavesTheFleet(request, snapshot, key, isCloud))
            return ModelNameErrors.CloudDisabled(operation);
        if (CheckOtherModel(request) is { } error)
            return error;
        if (!operation.NeedsModel)
            return null;
        if (chain is not null)
        {
            if (!TryChoose(request, snapshot, chain, written))
                return Unknown(request, written);
            isCloud = request.Model.Alternatives!.Current.IsCloud;
        }

        if (snapshot.Find(request.Model.Key, request.Model.Part) is not null || !snapshot.AnyCatalogKnown)
            return null;
        if (!request.Facts.IsPlain && snapshot.Find(request.Model.Key, new ModelPart(operation.Route, request.Model.Name ?? written)) is not null)
            return (StatusCodes.Status400BadRequest, "the properties of a request for this model must be written in lower case and must not be repeated");
        if (!isCloud || operation.Kind == OperationKind.Management)
            return Unknown(request, written);
        // Every Ollama server can serve ollama.com's models, listed or not.
        request.Model.SetUnlisted();
        return null;
    }

    /// <summary>Whether only OpenAI servers have a model of this name, and one of them would get the request.</summary>
    private static bool IsOpenAIModel(FleetSnapshot snapshot, in Request request, string literal, string written, bool isResolved) =>
        isResolved
            ? snapshot.Models.ContainsKey(literal) && snapshot.Find(literal, request.Model.PartOf(written)) is { Placements: { IsEmpty: false } placements } && placements.All(p => p.Id is not null)
            : snapshot.Models.ContainsKey(literal);

    /// <summary>Whether an instance would forward the request to a server outside the fleet.</summary>
    private static bool LeavesTheFleet(in Request request, FleetSnapshot snapshot, string key, bool isCloud) => request.Operation switch
    {
        { Kind: OperationKind.Inference or OperationKind.Lookup } => isCloud || snapshot.IsRemote(key),
        // Entries of cloud models can be deleted and copied, but not created.
        { Type: OperationType.Pull } => isCloud || ModelReference.Resolve(key).Suffix == ModelSourceSuffix.Cloud,
        { Type: OperationType.Create } => !string.IsNullOrEmpty(request.Facts.RemoteHost)
            || (request.Facts.OtherModel is { } from && ModelReference.Resolve(from).Suffix == ModelSourceSuffix.Cloud),
        _ => false,
    };

    private (int Status, string Message)? CheckOtherModel(in Request request)
    {
        var operation = request.Operation;
        if (request.Tenant.Models is not { } allowed || request.Facts.OtherModel is not { Length: > 0 } other)
            return null;
        var reference = ModelReference.Resolve(other, operation.Type == OperationType.Create ? ModelNaming.Reference : operation.Naming);
        return reference.IsResolved && allowed.Allows(reference.Key) ? null : ModelNameErrors.NotForModel;
    }

    /// <summary>Selects the first permitted candidate with a usable instance, or else the first permitted one; false if there is none.</summary>
    private bool TryChoose(in Request request, FleetSnapshot snapshot, ModelChain chain, string written)
    {
        var all = chain.IsAlias ? chain.Candidates : [new ModelCandidate(written, request.Model.Key), .. chain.Candidates];
        ImmutableArray<ModelCandidate> candidates = request.Tenant.Models is { } allowed ? all.RemoveAll(c => !allowed.Allows(c.Key)) : all;
        if (!CloudModels)
            candidates = candidates.RemoveAll(c => c.IsCloud || snapshot.IsRemote(c.Key));
        if (candidates.IsEmpty)
            return false;
        // A lookup describes one model, so fallbacks don't apply.
        if (request.Operation.Kind != OperationKind.Inference)
            candidates = candidates[..1];
        var alternatives = new ModelAlternatives(candidates);
        var first = alternatives.Current;
        var now = time.GetTimestamp();
        if (alternatives.AnyUsable(snapshot, request.Model, now))
            while (!ModelAlternatives.IsUsable(snapshot, request.Model, alternatives.Current, now))
                alternatives.TryNext();
        request.Model.Alternatives = alternatives;
        if (chain.IsAlias || alternatives.Current != first)
            request.Model.Use(alternatives.Current);
        if (alternatives.Current != first)
            metrics.RecordFallback(first.Key, FallbackCause.Unavailable);
        return true;
    }

    private static (int Status, string Message) Unknown(in Request request, string written) =>
        (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(request.Operation, written));

    private readonly record struct Request(Operation Operation, Tenant Tenant, RequestBodyFeature Body, ModelSelection Model)
    {
        public RequestFacts Facts => Body.Facts;

        public static Request Of(HttpContext context)
        {
            var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
            var body = RequestBodyFeature.Of(context);
            return new Request(operation, ConfinedTenantFeature.Of(context), body, new ModelSelection(operation, body));
        }
    }
}
