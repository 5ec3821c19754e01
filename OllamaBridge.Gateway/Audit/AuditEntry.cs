using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Audit;

/// <summary>One change of the bridge's or the fleet's settings, or an attempt to make one. It never holds a key, a key's verifier, a prompt or a response.</summary>
internal sealed record AuditEntry
{
    /// <summary>Unique. Entries of one bridge that were made later have larger ids.</summary>
    public required string Id { get; init; }

    /// <summary>When the change was made or refused, in UTC.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>The host name of the bridge that made the entry.</summary>
    public required string Bridge { get; init; }

    /// <summary>Where the change comes from: a value of <see cref="AuditActors"/>.</summary>
    public required string Actor { get; init; }

    /// <summary>The id of the API key; null for none.</summary>
    public string? Key { get; init; }

    /// <summary>The tenant of the key or the source network; null for none.</summary>
    public string? Tenant { get; init; }

    /// <summary>The client's address; null for changes that no request made.</summary>
    public string? Address { get; init; }

    /// <summary>The request's id (<c>X-Request-Id</c>); null for changes that no request made.</summary>
    public string? RequestId { get; init; }

    /// <summary>What was done: a value of <see cref="AuditActions"/>.</summary>
    public required string Action { get; init; }

    /// <summary>What it was done to; empty if a request was refused before that was known.</summary>
    public required string Target { get; init; }

    /// <summary>Whether it was done: a value of <see cref="AuditOutcomes"/>.</summary>
    public required string Outcome { get; init; }

    /// <summary>The HTTP status of the response; null for changes that no request made.</summary>
    public int? Status { get; init; }

    /// <summary>Why it was not done; null if it was.</summary>
    public string? Reason { get; init; }

    /// <summary>The target before; null if it was not there or the change was not made.</summary>
    public JsonNode? Before { get; init; }

    /// <summary>The target after; null if it is gone or the change was not made.</summary>
    public JsonNode? After { get; init; }
}

/// <summary>Where changes come from.</summary>
internal static class AuditActors
{
    /// <summary>A request to the operators' API.</summary>
    public const string Operator = "operator";

    /// <summary>A request with a key that may only drain: the hook by which a server announces its end.</summary>
    public const string ClusterHook = "cluster hook";

    /// <summary>A client's request that changes models.</summary>
    public const string Client = "client";

    /// <summary>A request without a valid key.</summary>
    public const string Unauthenticated = "unauthenticated";

    /// <summary>The configuration, changed while the bridge runs.</summary>
    public const string Configuration = "configuration";

    /// <summary>DNS or Kubernetes.</summary>
    public const string Discovery = "discovery";

    /// <summary>The bridge itself, as its settings say: cold tiers, the end of a drain.</summary>
    public const string Bridge = "bridge";
}

/// <summary>Whether a change was made.</summary>
internal static class AuditOutcomes
{
    /// <summary>It was made.</summary>
    public const string Done = "done";

    /// <summary>It was refused (4xx).</summary>
    public const string Refused = "refused";

    /// <summary>It failed (5xx), or its response broke off.</summary>
    public const string Failed = "failed";

    /// <summary>Whether it was made is not known: the shared state or the client was lost on the way.</summary>
    public const string Unknown = "unknown";

    /// <summary>The outcome that a response's status tells.</summary>
    public static string Of(int status) => status switch
    {
        < 400 => Done,
        < 500 => Refused,
        _ => Failed,
    };
}

/// <summary>Reads and writes entries as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditEntry))]
[JsonSerializable(typeof(IReadOnlyList<AuditEntry>))]
internal sealed partial class AuditJson : JsonSerializerContext;
