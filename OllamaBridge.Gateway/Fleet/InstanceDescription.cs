using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Describes instances for the audit log: their settings without keys.</summary>
internal static class InstanceDescription
{
    public static JsonObject Of(InstanceDefinition definition)
    {
        var description = new JsonObject
        {
            ["url"] = definition.Url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped),
            ["slots"] = definition.Slots,
            ["kind"] = Labels.Of(definition.Kind),
        };
        if (definition is { MaxLoadedModels: > 0 and < int.MaxValue })
            description["maxLoadedModels"] = definition.MaxLoadedModels;
        if (definition.OpenAI is not { } service)
            return description;
        if (service.Models.Length > 0)
            description["models"] = new JsonArray([.. service.Models.Select(m => JsonValue.Create(m))]);
        if (service.Routes != ApiRoutes.None)
            description["routes"] = service.Routes.ToString();
        if (service.HealthPath is { } path)
            description["healthPath"] = path;
        return description;
    }

    public static JsonObject OfDrain(InstanceView view)
    {
        var description = new JsonObject { ["draining"] = view.Draining };
        if (view.DrainDeadline is { } deadline)
            description["deadline"] = deadline.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture);
        return description;
    }

    public static void RecordChanges(AuditTrail trail, IReadOnlyList<InstanceDefinition> before, IReadOnlyList<InstanceDefinition> after)
    {
        foreach (var removed in before.Where(b => !after.Any(a => IsSame(a, b))))
            trail.Record(ActorOf(removed), AuditActions.InstanceRemove, removed.Name, Of(removed), null);
        foreach (var definition in after)
        {
            var now = Of(definition);
            if (before.FirstOrDefault(b => IsSame(b, definition)) is not { } old)
                trail.Record(ActorOf(definition), AuditActions.InstanceAdd, definition.Name, null, now);
            else if (Of(old) is var was && !JsonNode.DeepEquals(was, now))
                trail.Record(ActorOf(definition), AuditActions.InstanceChange, definition.Name, was, now);
        }
    }

    private static bool IsSame(InstanceDefinition a, InstanceDefinition b) => string.Equals(a.Name, b.Name, StringComparison.OrdinalIgnoreCase);

    private static string ActorOf(InstanceDefinition definition) => definition.IsDiscovered ? AuditActors.Discovery : AuditActors.Configuration;
}
