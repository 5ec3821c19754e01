using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Identity;

/// <summary>What a key allows.</summary>
[Flags]
internal enum Scopes
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Asking models, and seeing which there are.</summary>
    Inference = 1,

    /// <summary>Changing the models on disk.</summary>
    Management = 2,

    /// <summary>The bridge's own API.</summary>
    Admin = 4,

    /// <summary>Of the bridge's own API the two requests that take an instance out of use and back: what a server says of itself as it ends.</summary>
    Drain = 8,

    /// <summary>Metrics, the details of health and the description of the bridge's own API.</summary>
    Metrics = 16,
}

/// <summary>Whose requests wait longer where not all can be served at once.</summary>
internal enum Priority
{
    /// <summary>Somebody is waiting for the answer.</summary>
    Interactive,

    /// <summary>Nobody is: served when no interactive request for the same model waits.</summary>
    Batch,
}

/// <summary>Who an API key belongs to. Immutable: a change makes another one.</summary>
internal sealed record Tenant
{
    /// <summary>All of them.</summary>
    public const Scopes AllScopes = Scopes.Inference | Scopes.Management | Scopes.Admin | Scopes.Drain | Scopes.Metrics;

    /// <summary>Whoever comes without a key, where there are none.</summary>
    public static Tenant Anonymous { get; } = new() { Id = "anonymous" };

    /// <summary>Whoever comes without a key from the bridge's own machine, where there are none.</summary>
    public static Tenant Local { get; } = Anonymous with { Scopes = AllScopes };

    /// <summary>Whoever is refused.</summary>
    public static Tenant Nobody { get; } = Anonymous with { Scopes = Scopes.None };

    /// <summary>What operators call it; a label of metrics.</summary>
    public required string Id { get; init; }

    /// <summary>What its keys allow.</summary>
    public Scopes Scopes { get; init; } = Scopes.Inference;

    /// <summary>The models that it may use; null for all.</summary>
    public ModelAccess? Models { get; init; }

    /// <summary>The instances that its requests may go to; null for any.</summary>
    public InstanceAccess? Instances { get; init; }

    /// <summary>Its share of a model's tokens where several tenants want it, against others' weights.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The class of its requests that do not say their own.</summary>
    public Priority Priority { get; init; }

    /// <summary>What it may use up.</summary>
    public TenantLimits Limits { get; init; } = new();
}

/// <summary>How much may be used up; null for no limit.</summary>
internal record UsageLimits
{
    /// <summary>Requests per second, with bursts of one second's worth.</summary>
    public double? RequestsPerSecond { get; init; }

    /// <summary>Requests at a time, waiting ones included.</summary>
    public int? ConcurrentRequests { get; init; }

    /// <summary>Tokens of prompts and answers in any minute.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Tokens of prompts and answers in a day (UTC).</summary>
    public long? TokensPerDay { get; init; }

    /// <summary>Whether nothing is limited.</summary>
    [JsonIgnore]
    public bool IsUnlimited =>
        RequestsPerSecond is null && ConcurrentRequests is null && TokensPerMinute is null && TokensPerDay is null;
}

/// <summary>What a tenant may use up of one model.</summary>
internal sealed record ModelLimits : UsageLimits
{
    /// <summary>The model as a client would write it.</summary>
    public string Model
    {
        get;
        init
        {
            field = value;
            Key = Fleet.ModelReference.KeyOf(value);
        }
    } = "";

    /// <summary>The model's canonical name.</summary>
    [JsonIgnore]
    public string Key { get; private init; } = "";
}

/// <summary>What a tenant may use up: of all models together, and of some by themselves.</summary>
internal sealed record TenantLimits : UsageLimits
{
    /// <summary>Whether its requests are refused where its limits cannot be checked with other gateways; else they are let in within this
    /// gateway's part. Without effect where gateways share nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool FailClosed { get; init; }

    /// <summary>Further limits for single models. A list, because a model's name has colons, which configuration keys cannot have.</summary>
    /// <remarks>Null is none: source-generated JSON writes it over the default where a document has no such property.</remarks>
    public IReadOnlyList<ModelLimits> Models { get; init => field = value ?? []; } = [];

    /// <summary>The limits of one model; null where it has none of its own.</summary>
    /// <param name="modelKey">Canonical model name.</param>
    public ModelLimits? Of(string modelKey)
    {
        for (var i = 0; i < Models.Count; i++)
            if (Models[i].Key == modelKey && !Models[i].IsUnlimited)
                return Models[i];
        return null;
    }
}
