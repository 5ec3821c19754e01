using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The rights of a key.</summary>
[Flags]
internal enum Scopes
{
    None = 0,

    /// <summary>Using models and listing them.</summary>
    Inference = 1,

    /// <summary>Changing the models on disk.</summary>
    Management = 2,

    /// <summary>The operators' API.</summary>
    Admin = 4,

    /// <summary>Of the operators' API only the start and end of a drain, for the shutdown hook of a server.</summary>
    Drain = 8,

    /// <summary>Metrics, the details of health and the description of the operators' API.</summary>
    Metrics = 16,
}

/// <summary>The priority of requests if not all can be served at once.</summary>
internal enum Priority
{
    /// <summary>A user waits for the response.</summary>
    Interactive,

    /// <summary>Served when no interactive request for the same model waits.</summary>
    Batch,
}

internal sealed record Tenant
{
    public const Scopes AllScopes = Scopes.Inference | Scopes.Management | Scopes.Admin | Scopes.Drain | Scopes.Metrics;

    /// <summary>The tenant of requests without a key, while no key is required.</summary>
    public static Tenant Anonymous { get; } = new() { Id = "anonymous" };

    /// <summary>The tenant of requests without a key from the bridge's own machine, while no key is required.</summary>
    public static Tenant Local { get; } = Anonymous with { Scopes = AllScopes };

    /// <summary>The tenant of refused requests.</summary>
    public static Tenant Nobody { get; } = Anonymous with { Scopes = Scopes.None };

    /// <summary>The name; a label of metrics.</summary>
    public required string Id { get; init; }

    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <summary>The allowed models; null for all.</summary>
    public ModelAccess? Models { get; init; }

    /// <summary>The allowed instances; null for any.</summary>
    public InstanceAccess? Instances { get; init; }

    public double Weight { get; init; } = 1;

    public Priority Priority { get; init; }

    public TenantLimits Limits { get; init; } = new();
}

/// <summary>Limits of usage; null for no limit.</summary>
internal record UsageLimits
{
    /// <summary>Requests per second, with bursts of one second's worth.</summary>
    public double? RequestsPerSecond { get; init; }

    /// <summary>Concurrent requests, including waiting ones.</summary>
    public int? ConcurrentRequests { get; init; }

    /// <summary>Tokens of prompts and responses in any minute.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Tokens of prompts and responses in a day (UTC).</summary>
    public long? TokensPerDay { get; init; }

    [JsonIgnore]
    public bool IsUnlimited =>
        RequestsPerSecond is null && ConcurrentRequests is null && TokensPerMinute is null && TokensPerDay is null;
}

/// <summary>A tenant's limits for one model.</summary>
internal sealed record ModelLimits : UsageLimits
{
    /// <summary>The model, as clients write it.</summary>
    public string Model
    {
        get;
        init
        {
            field = value;
            Key = ModelReference.KeyOf(value);
        }
    } = "";

    [JsonIgnore]
    public string Key { get; private init; } = "";
}

/// <summary>A tenant's limits: for all models together, and for single models.</summary>
internal sealed record TenantLimits : UsageLimits
{
    /// <summary>
    /// Whether its requests are refused if its limits cannot be checked with other gateways; else they are admitted within this gateway's part. Without effect
    /// if gateways share no state.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool FailClosed { get; init; }

    /// <summary>Further limits for single models. A list, because model names contain colons, which configuration keys cannot have.</summary>
    /// <remarks>Null means none: source-generated JSON writes it over the default if a document lacks the property.</remarks>
    public IReadOnlyList<ModelLimits> Models { get; init => field = value ?? []; } = [];

    /// <summary>Returns the limits of one model by its canonical name; null if it has none of its own.</summary>
    public ModelLimits? Of(string modelKey)
    {
        for (var i = 0; i < Models.Count; i++)
            if (Models[i].Key == modelKey && !Models[i].IsUnlimited)
                return Models[i];
        return null;
    }
}
