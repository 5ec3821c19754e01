using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Tenants by name: section <c>Bridge:Tenants</c>.</summary>
internal sealed class TenantsOptions() : Dictionary<string, TenantOptions>(StringComparer.Ordinal)
{
    public const string Section = "Bridge:Tenants";
}

/// <summary>One tenant: section <c>Bridge:Tenants:NAME</c>.</summary>
internal sealed record TenantOptions
{
    /// <summary>Rights of its keys: <c>Inference</c>, <c>Management</c>, <c>Admin</c>, <c>Drain</c>, <c>Metrics</c>, separated by commas.</summary>
    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <summary>Allowed models, <c>deepseek-r1:*</c> for a prefix; empty for all.</summary>
    public IList<string> Models { get; init; } = [];

    /// <summary>Allowed instances, <c>shared-*</c> for a prefix; empty for its own instances, or if it owns none, for all instances without an owner.</summary>
    public IList<string> Instances { get; init; } = [];

    /// <summary>Instances that only this tenant may use.</summary>
    public IList<string> OwnInstances { get; init; } = [];

    /// <summary>Its share of a model's tokens relative to other tenants' weights.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Priority of its requests that do not set one.</summary>
    public Priority Priority { get; init; }

    /// <summary>Limits of its usage.</summary>
    public TenantLimits Limits { get; init; } = new();

    /// <summary>Whether its keys are refused for now.</summary>
    public bool Disabled { get; init; }

    /// <summary>
    /// Source networks that identify its requests without a key: <c>10.1.0.0/16</c>, <c>fd00::/8</c>, <c>192.168.1.7</c>. For clients that cannot send a key.
    /// </summary>
    public IList<string> Networks { get; init; } = [];

    /// <summary>
    /// API keys: verifiers as <c>new-key</c> prints them (<c>ID.SALT.HASH</c>), or complete keys (<c>ob-ID-SECRET</c>) from a secret store. Each may
    /// end with <c>;2027-01-31</c>, its expiry. The gateway keeps only verifiers.
    /// </summary>
    public IList<string> Keys { get; init; } = [];
}

/// <summary>Validates the settings of tenants, reporting all errors at once, and converts them to records.</summary>
internal sealed partial class TenantsOptionsValidator : IValidateOptions<TenantsOptions>
{
    private const double MaxWeight = 1000;

    public ValidateOptionsResult Validate(string? name, TenantsOptions options)
    {
        var errors = new List<string>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        var networks = new HashSet<System.Net.IPNetwork>();
        foreach (var (tenant, settings) in options)
        {
            var key = $"{TenantsOptions.Section}:{tenant}";
            foreach (var (where, what) in Mistakes(tenant, settings.Weight, settings.Scopes, settings.Models, [.. settings.Instances, .. settings.OwnInstances], settings.Limits))
                errors.Add($"{key}{where}: {what}");
            for (var i = 0; i < settings.Networks.Count; i++)
                if (!SourceNetworks.TryParse(settings.Networks[i], out var network))
                    errors.Add($"{key}:Networks:{i}: '{settings.Networks[i]}' is neither a network such as 10.1.0.0/16 nor an address.");
                else if (!networks.Add(network))
                    errors.Add($"{key}:Networks:{i}: {network} is configured twice.");
            for (var i = 0; i < settings.Keys.Count; i++)
                if (!TryReadKey(settings.Keys[i], out var record))
                    errors.Add(
                        $"{key}:Keys:{i}: is neither a verifier of new-key (ID.SALT.HASH) nor a complete key (ob-ID-SECRET), each with ;2027-01-31 if it expires.");
                else if (!ids.Add(record.Id))
                    errors.Add($"{key}:Keys:{i}: the key {record.Id} is configured twice.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    /// <summary>Returns the errors of a tenant's settings, each with its relative configuration key.</summary>
    public static IEnumerable<(string Where, string What)> Mistakes(
        string id, double weight, Scopes scopes, IEnumerable<string> models, IEnumerable<string> instances, TenantLimits limits)
    {
        if (!Id().IsMatch(id) || id == Tenant.Anonymous.Id)
            yield return ("", "a tenant's name has 1 to 63 lower-case letters, digits, '.', '-' and '_', a letter or digit first; 'anonymous' is reserved.");
        if (!(weight is > 0 and <= MaxWeight))
            yield return (":Weight", $"{weight.ToString(CultureInfo.InvariantCulture)} is not above 0 and at most {MaxWeight}.");
        if (scopes == Scopes.None || (scopes & ~Tenant.AllScopes) != 0)
            yield return (":Scopes", "must be Inference, Management, Admin, Drain or Metrics, several separated by commas.");
        foreach (var model in models)
            if (model.Length == 0 || (!model.EndsWith('*') && !ModelName.IsId(model)))
                yield return (":Models", $"'{model}' is neither a model name nor a prefix of one that ends in '*'.");
        foreach (var instance in instances)
            if (string.IsNullOrWhiteSpace(instance))
                yield return (":Instances", "a name is empty; '*' stands for all.");
        foreach (var mistake in LimitMistakes(":Limits", limits))
            yield return mistake;
        for (var i = 0; i < limits.Models.Count; i++)
        {
            var where = string.Create(CultureInfo.InvariantCulture, $":Limits:Models:{i}");
            if (!ModelName.IsId(limits.Models[i].Model))
                yield return ($"{where}:Model", $"'{limits.Models[i].Model}' is not a model name.");
            foreach (var mistake in LimitMistakes(where, limits.Models[i]))
                yield return mistake;
        }
    }

    /// <summary>Whether a stored tenant is valid.</summary>
    public static bool IsSound(TenantRecord tenant) =>
        !Mistakes(tenant.Id, tenant.Weight, tenant.Scopes, tenant.Models, [.. tenant.Instances, .. tenant.OwnInstances], tenant.Limits).Any()
        && tenant.Keys.All(k => KeyVerifier.TryParse(k.Verifier, out _));

    private static IEnumerable<(string Where, string What)> LimitMistakes(string where, UsageLimits limits)
    {
        if (limits.RequestsPerSecond is <= 0)
            yield return ($"{where}:RequestsPerSecond", "is not above 0.");
        if (limits.ConcurrentRequests is <= 0)
            yield return ($"{where}:ConcurrentRequests", "is not above 0.");
        if (limits.TokensPerMinute is <= 0)
            yield return ($"{where}:TokensPerMinute", "is not above 0.");
        if (limits.TokensPerDay is <= 0)
            yield return ($"{where}:TokensPerDay", "is not above 0.");
    }

    public static IEnumerable<TenantRecord> Read(TenantsOptions options) => options.Select(o => new TenantRecord
    {
        Id = o.Key,
        Scopes = o.Value.Scopes,
        Models = [.. o.Value.Models],
        Instances = [.. o.Value.Instances],
        OwnInstances = [.. o.Value.OwnInstances],
        Weight = o.Value.Weight,
        Priority = o.Value.Priority,
        Limits = o.Value.Limits,
        Disabled = o.Value.Disabled,
        Networks = [.. o.Value.Networks.Select(n => SourceNetworks.TryParse(n, out var network) ? network : (System.Net.IPNetwork?)null).OfType<System.Net.IPNetwork>()],
        Keys = [.. o.Value.Keys.Select(k => TryReadKey(k, out var record) ? record : null).OfType<KeyRecord>()],
    });

    private static bool TryReadKey(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out KeyRecord? record)
    {
        record = null;
        var parts = text.Split(';', 2);
        if (!KeyVerifier.TryParse(parts[0], out var verifier) && !ApiKey.TryCreateVerifier(parts[0].AsSpan().Trim(), out verifier))
            return false;
        DateTimeOffset? expires = null;
        if (parts.Length == 2)
        {
            if (!DateTimeOffset.TryParse(parts[1], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
                return false;
            expires = time;
        }

        record = new KeyRecord(verifier.ToString(), DateTimeOffset.UnixEpoch, expires);
        return true;
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,62}$")]
    private static partial Regex Id();
}
