using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Records the effects of changed settings on tenants, tiers and models. The owner of the fleet records instances.</summary>
internal sealed class SettingsAudit(AuditTrail trail)
{
    private Dictionary<string, JsonObject> _tenants = [];
    private Dictionary<string, JsonObject> _tiers = [];
    private Dictionary<string, JsonObject> _models = [];

    public void Note(TenantsOptions tenants, TiersOptions tiers, ModelsOptions models) =>
        (_tenants, _tiers, _models) = (Describe(tenants), Describe(tiers), Describe(models));

    public void Record(TenantsOptions tenants, TiersOptions tiers, ModelsOptions models)
    {
        var (tenantsBefore, tiersBefore, modelsBefore) = (_tenants, _tiers, _models);
        Note(tenants, tiers, models);
        Record(tenantsBefore, _tenants, AuditActions.TenantPut, AuditActions.TenantRemove);
        Record(tiersBefore, _tiers, AuditActions.TierPut, AuditActions.TierRemove);
        Record(modelsBefore, _models, AuditActions.ModelPut, AuditActions.ModelRemove);
    }

    private void Record(Dictionary<string, JsonObject> before, Dictionary<string, JsonObject> after, string put, string remove)
    {
        foreach (var (name, was) in before)
            if (!after.ContainsKey(name))
                trail.Record(AuditActors.Configuration, remove, name, was, null);
        foreach (var (name, now) in after)
            if (!(before.TryGetValue(name, out var was) && JsonNode.DeepEquals(was, now)))
                trail.Record(AuditActors.Configuration, put, name, was?.DeepClone(), now.DeepClone());
    }

    private static Dictionary<string, JsonObject> Describe(TenantsOptions options) => TenantsOptionsValidator.Read(options)
        .ToDictionary(t => t.Id, t =>
        {
            var description = TenantEndpoints.Describe(t, isConfigured: true);
            description["networks"] = Array(t.Networks.Select(n => n.ToString()));
            return description;
        }, StringComparer.Ordinal);

    private static Dictionary<string, JsonObject> Describe(TiersOptions options) => options.ToDictionary(t => t.Key, t => new JsonObject
    {
        ["models"] = Array(t.Value.Models),
        ["activator"] = t.Value.Activator,
        ["instances"] = t.Value.PrefixOf(t.Key),
        ["maxInstances"] = t.Value.MaxInstances,
        ["exclusive"] = t.Value.Exclusive,
        ["idleTime"] = t.Value.IdleTime.ToString(),
        ["startTimeout"] = t.Value.StartTimeout.ToString(),
    }, StringComparer.OrdinalIgnoreCase);

    private static Dictionary<string, JsonObject> Describe(ModelsOptions options)
    {
        var models = new Dictionary<string, JsonObject>(StringComparer.OrdinalIgnoreCase);
        foreach (var model in options)
            models[model.Name ?? ""] = new JsonObject
            {
                ["target"] = model.Target,
                ["digest"] = model.Digest,
                ["fallbacks"] = Array(model.Fallbacks),
                ["onMemoryFailure"] = model.OnMemoryFailure.ToString(),
            };
        return models;
    }

    private static JsonArray Array(IEnumerable<string> texts) => new([.. texts.Select(t => JsonValue.Create(t))]);
}
