using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Identity;

/// <summary>A tenant as it is configured or stored: what operators set.</summary>
internal sealed record TenantRecord
{
    /// <summary>What operators call it.</summary>
    public required string Id { get; init; }

    /// <summary>What its keys allow.</summary>
    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <summary>Models that it may use, <c>deepseek-r1:*</c> for a beginning; none for all.</summary>
    /// <remarks>Null is none, here and below: source-generated JSON writes it over the default where a document has no such property.</remarks>
    public IReadOnlyList<string> Models { get; init => field = value ?? []; } = [];

    /// <summary>Instances that it may use, <c>shared-*</c> for a beginning; none for all that nobody owns, or for those that it owns.</summary>
    public IReadOnlyList<string> Instances { get; init => field = value ?? []; } = [];

    /// <summary>Instances that nobody else may use.</summary>
    public IReadOnlyList<string> OwnInstances { get; init => field = value ?? []; } = [];

    /// <summary>Its share against others'.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The class of its requests that do not say their own.</summary>
    public Priority Priority { get; init; }

    /// <summary>What it may use up.</summary>
    public TenantLimits Limits { get; init => field = value ?? new(); } = new();

    /// <summary>Whether its keys are refused for now.</summary>
    public bool Disabled { get; init; }

    /// <summary>Networks whose requests are its own if they bring no key. In the configuration only.</summary>
    [JsonIgnore]
    public IReadOnlyList<System.Net.IPNetwork> Networks { get; init => field = value ?? []; } = [];

    /// <summary>Its keys.</summary>
    public IReadOnlyList<KeyRecord> Keys { get; init => field = value ?? []; } = [];

    /// <summary>What requests carry.</summary>
    /// <param name="all">All tenants: what others own is not this one's.</param>
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

/// <summary>A key as it is stored.</summary>
/// <param name="Verifier"><see cref="KeyVerifier"/> as text.</param>
/// <param name="Created">When it was made.</param>
/// <param name="Expires">From when on it is refused; null for never.</param>
internal sealed record KeyRecord(string Verifier, DateTimeOffset Created, DateTimeOffset? Expires)
{
    /// <summary>What operators call it.</summary>
    [JsonIgnore]
    public string Id => Verifier[..Verifier.IndexOf('.', StringComparison.Ordinal)];
}
