using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Audit;

/// <summary>
/// A change of the settings of the bridge or the fleet, or a refused or failed attempt. Never contains a key, a key's verifier, a prompt or a response.
/// </summary>
internal sealed record AuditEntry
{
    /// <summary>Unique. Later entries of the same bridge have larger ids.</summary>
    public required string Id { get; init; }

    /// <summary>Time of the change or refusal, in UTC.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Host name of the bridge that recorded the entry.</summary>
    public required string Bridge { get; init; }

    /// <summary>Originator of the change: a value of <see cref="AuditActors"/>.</summary>
    public required string Actor { get; init; }

    /// <summary>Id of the API key; null for none.</summary>
    public string? Key { get; init; }

    /// <summary>Tenant of the key or the source network; null for none.</summary>
    public string? Tenant { get; init; }

    /// <summary>Address of the client; null for changes without a request.</summary>
    public string? Address { get; init; }

    /// <summary>Id of the request (<c>X-Request-Id</c>); null for changes without a request.</summary>
    public string? RequestId { get; init; }

    /// <summary>Kind of change: a value of <see cref="AuditActions"/>.</summary>
    public required string Action { get; init; }

    /// <summary>Name of the changed object; empty if a request was refused before it was known.</summary>
    public required string Target { get; init; }

    /// <summary>Result of the change: a value of <see cref="AuditOutcomes"/>.</summary>
    public required string Outcome { get; init; }

    /// <summary>HTTP status of the response; null for changes without a request.</summary>
    public int? Status { get; init; }

    /// <summary>Reason of a refusal or failure; null if the change was made.</summary>
    public string? Reason { get; init; }

    /// <summary>State of the target before; null if it did not exist or the change was not made.</summary>
    public JsonNode? Before { get; init; }

    /// <summary>State of the target after; null if it was removed or the change was not made.</summary>
    public JsonNode? After { get; init; }
}

internal static class AuditActors
{
    public const string Operator = "operator";

    /// <summary>A request with a key that may only drain: the shutdown hook of a server.</summary>
    public const string ClusterHook = "cluster hook";

    public const string Client = "client";

    public const string Unauthenticated = "unauthenticated";

    public const string Configuration = "configuration";

    public const string Discovery = "discovery";

    /// <summary>The bridge itself, according to its settings: cold tiers, the end of a drain.</summary>
    public const string Bridge = "bridge";
}

internal static class AuditOutcomes
{
    public const string Done = "done";

    /// <summary>The request was refused (4xx).</summary>
    public const string Refused = "refused";

    /// <summary>The change failed (5xx), or its response broke off.</summary>
    public const string Failed = "failed";

    /// <summary>Whether the change was made is unknown: the connection to the shared state or the client was lost meanwhile.</summary>
    public const string Unknown = "unknown";

    public static string Of(int status) => status switch
    {
        < 400 => Done,
        < 500 => Refused,
        _ => Failed,
    };
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditEntry))]
[JsonSerializable(typeof(IReadOnlyList<AuditEntry>))]
internal sealed partial class AuditJson : JsonSerializerContext;
