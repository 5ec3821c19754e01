using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Records changes of models through the model API: pull, create, copy, delete, push and unload.</summary>
internal sealed class ModelAudit(AuditTrail trail, IFleet fleet)
{
    public void RecordBefore(HttpContext context)
    {
        var (operation, facts) = (context.Features.GetRequiredFeature<OperationFeature>().Operation, RequestBodyFeature.Of(context).Facts);
        if (ActionOf(operation, facts) is { } action)
            context.Features.Set(new EarlierModel(Describe(action, TargetOf(operation, facts))));
    }

    /// <summary>Records the change of an ended request; without effect for requests that change no model.</summary>
    public void Settle(HttpContext context, Operation operation, RequestOutcome outcome)
    {
        var facts = RequestBodyFeature.Of(context).Facts;
        if (ActionOf(operation, facts) is not { } action)
            return;
        var target = TargetOf(operation, facts);
        var status = context.Response.StatusCode;
        var result = outcome switch
        {
            RequestOutcome.Succeeded => AuditOutcomes.Done,
            RequestOutcome.Rejected => AuditOutcomes.Refused,
            RequestOutcome.Cancelled => AuditOutcomes.Unknown,
            _ => AuditOutcomes.Failed,
        };
        var isDone = result == AuditOutcomes.Done;
        trail.Record(
            new AuditChange(action, target, isDone ? context.Features.Get<EarlierModel>()?.Description : null, isDone ? After(action, operation, facts, target) : null)
            {
                Outcome = result,
                Status = status,
                Reason = isDone ? null : context.Features.Get<RefusalFeature>()?.Message,
            },
            AuditCaller.OfClient(context, ConfinedTenantFeature.Of(context)));
    }

    private static string? ActionOf(Operation operation, in RequestFacts facts) => operation switch
    {
        { Kind: OperationKind.Management, Type: OperationType.Pull } => AuditActions.ModelPull,
        { Kind: OperationKind.Management, Type: OperationType.Create } => AuditActions.ModelCreate,
        { Kind: OperationKind.Management, Type: OperationType.Copy } => AuditActions.ModelCopy,
        { Kind: OperationKind.Management, Type: OperationType.Delete } => AuditActions.ModelDelete,
        { Kind: OperationKind.Management, Type: OperationType.Push } => AuditActions.ModelPush,
        _ => UnloadRequest.Matches(operation, facts) && facts.Model is not null ? AuditActions.ModelUnload : null,
    };

    private static string TargetOf(Operation operation, in RequestFacts facts)
    {
        var written = (operation.Type == OperationType.Copy ? facts.OtherModel : facts.Model) ?? "";
        return ModelReference.Resolve(written, operation.Naming) is { IsResolved: true } reference ? reference.Key : written;
    }

    private JsonObject? After(string action, Operation operation, in RequestFacts facts, string target)
    {
        // A push changes nothing here. The effect of an unload is known only after the next probe of its instance.
        var after = action is AuditActions.ModelPush or AuditActions.ModelUnload ? null : Describe(action, target);
        var source = operation.Type switch { OperationType.Copy => facts.Model, OperationType.Create => facts.OtherModel, _ => null };
        if (source is not null)
            (after ??= [])["from"] = AuditText.Clean(source);
        return after;
    }

    private JsonObject? Describe(string action, string key)
    {
        var snapshot = fleet.Current;
        if (action == AuditActions.ModelUnload)
            return Names("loaded", snapshot.Instances.Where(i => i.Loaded.Any(m => m.Key == key)).Select(i => i.Instance.Name));
        if (!snapshot.Models.TryGetValue(key, out var model))
            return null;
        var description = Names("instances", model.Placements.Select(p => p.Instance.Name));
        if (model.Digest is { } digest)
            description["digest"] = digest;
        return description;
    }

    private sealed record EarlierModel(JsonObject? Description);

    private static JsonObject Names(string property, IEnumerable<string> names) =>
        new() { [property] = new JsonArray([.. names.Order(StringComparer.Ordinal).Select(n => JsonValue.Create(n))]) };
}
