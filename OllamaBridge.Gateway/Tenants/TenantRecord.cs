using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>A tenant as it is configured or stored.</summary>
internal sealed record TenantRecord
{
    public required string Id { get; init; }

    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <summary>Allowed models, <c>deepseek-r1:*</c> for a prefix; empty for all.</summary>
    /// <remarks>Null means none, here and below: source-generated JSON writes it over the default if a document lacks the property.</remarks>
    public IReadOnlyList<string> Models { get; init => field = value ?? []; } = [];

    /// <summary>Allowed instances, <c>shared-*</c> for a prefix; empty for its own instances, or if it owns none, for all instances without an owner.</summary>
    public IReadOnlyList<string> Instances { get; init => field = value ?? []; } = [];

    /// <summary>Instances that only this tenant may use.</summary>
    public IReadOnlyList<string> OwnInstances { get; init => field = value ?? []; } = [];

    /// <summary>Its share of tokens relative to other tenants' weights.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The priority of requests that do not set one.</summary>
    public Priority Priority { get; init; }

    public TenantLimits Limits { get; init => field = value ?? new(); } = new();

    /// <summary>Whether its keys are refused for now.</summary>
    public bool Disabled { get; init; }

    /// <summary>Source networks that identify its requests without a key. In the configuration only.</summary>
    [JsonIgnore]
    public IReadOnlyList<System.Net.IPNetwork> Networks { get; init => field = value ?? []; } = [];

    public IReadOnlyList<KeyRecord> Keys { get; init => field = value ?? []; } = [];

    /// <summary>Makes the tenant of requests. <paramref name="all"/> contains all tenants, since their own instances are not available to this one.</summary>
    public Tenant ToTenant(IReadOnlyList<TenantRecord> all) => new()
    {
        Id = Id,
        Scopes = Scopes,
        Models = Models.Count == 0 ? null : new ModelAccess(Models),
        Instances = InstanceAccess.Of(this, all),
        Weight = Weight,
        Priority = Priority,
        Limits = Limits,
    };
}

/// <summary>A stored key: <see cref="KeyVerifier"/> as text, and its expiry, null for never.</summary>
internal sealed record KeyRecord(string Verifier, DateTimeOffset Created, DateTimeOffset? Expires)
{
    [JsonIgnore]
    public string Id => Verifier[..Verifier.IndexOf('.', StringComparison.Ordinal)];
}
