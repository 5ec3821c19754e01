using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Records changes of models through the model API: pull, create, copy, delete, push and unload.</summary>
internal sealed class ModelAudit(AuditTrail trail, IFleet fleet)
{
    /// <summary>Stores the state of the model before the change in the call.</summary>
    public void NoteBefore(BridgeCall call)
    {
        if (ActionOf(call) is { } action)
            call.ModelBefore = Describe(action, TargetOf(call));
    }

    /// <summary>Records the change of an ended request; without effect for requests that change no model.</summary>
    public void Settle(HttpContext context, BridgeCall call, RequestOutcome outcome)
    {
        if (ActionOf(call) is not { } action)
            return;
        var target = TargetOf(call);
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
            new AuditChange(action, target, isDone ? call.ModelBefore : null, isDone ? After(action, call, target) : null)
            {
                Outcome = result,
                Status = status,
                Reason = isDone ? null : call.Refusal,
            },
            AuditCaller.OfClient(context, call.Tenant));
    }

    private static string? ActionOf(BridgeCall call) => call.Operation switch
    {
        { Kind: OperationKind.Management, Name: "pull" } => AuditActions.ModelPull,
        { Kind: OperationKind.Management, Name: "create" } => AuditActions.ModelCreate,
        { Kind: OperationKind.Management, Name: "copy" } => AuditActions.ModelCopy,
        { Kind: OperationKind.Management, Name: "delete" } => AuditActions.ModelDelete,
        { Kind: OperationKind.Management, Name: "push" } => AuditActions.ModelPush,
        _ => UnloadStage.IsUnload(call.Operation, call.Facts) && call.Facts.Model is not null ? AuditActions.ModelUnload : null,
    };

    private static string TargetOf(BridgeCall call)
    {
        var written = (call.Operation.Type == OperationType.Copy ? call.Facts.OtherModel : call.Facts.Model) ?? "";
        return ModelReference.Resolve(written, call.Operation.Naming) is { IsResolved: true } reference ? reference.Key : written;
    }

    private JsonObject? After(string action, BridgeCall call, string target)
    {
        // A push changes nothing here. The effect of an unload is known only after the next probe of its instance.
        var after = action is AuditActions.ModelPush or AuditActions.ModelUnload ? null : Describe(action, target);
        var source = call.Operation.Type switch { OperationType.Copy => call.Facts.Model, OperationType.Create => call.Facts.OtherModel, _ => null };
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

    private static JsonObject Names(string property, IEnumerable<string> names) =>
        new() { [property] = new JsonArray([.. names.Order(StringComparer.Ordinal).Select(n => JsonValue.Create(n))]) };
}
