using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>A tenant as it is configured or stored.</summary>
internal sealed record TenantRecord
{
    public required string Id { get; init; }

    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <remarks>Null means none, here and below: source-generated JSON writes it over the default if a document lacks the property.</remarks>
    public IReadOnlyList<string> Models { get; init => field = value ?? []; } = [];

    /// <summary>Empty for its own instances, or if it owns none, for all instances without an owner.</summary>
    public IReadOnlyList<string> Instances { get; init => field = value ?? []; } = [];

    public IReadOnlyList<string> OwnInstances { get; init => field = value ?? []; } = [];

    public double Weight { get; init; } = 1;

    public Priority Priority { get; init; }

    public TenantLimits Limits { get; init => field = value ?? new(); } = new();

    public bool Disabled { get; init; }

    /// <summary>In the configuration only.</summary>
    [JsonIgnore]
    public IReadOnlyList<System.Net.IPNetwork> Networks { get; init => field = value ?? []; } = [];

    public IReadOnlyList<KeyRecord> Keys { get; init => field = value ?? []; } = [];

    /// <summary><paramref name="all"/> contains all tenants, since their own instances are not available to this one.</summary>
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
