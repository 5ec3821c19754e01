using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>The data of the fleet page at one moment. Contains no prompts or responses.</summary>
/// <param name="Time">Time of the picture.</param>
/// <param name="Stopping">Whether the gateway accepts no new requests.</param>
/// <param name="Instances">All instances, in the fleet's order.</param>
/// <param name="Tiers">All cold tiers.</param>
/// <param name="Queue">The waiting requests.</param>
/// <param name="Figures">Figures of the last minutes.</param>
/// <param name="Troubles">The latest requests that failed, broke off, or needed a resumption or another attempt, newest first.</param>
internal sealed record DashboardSnapshot(
    DateTimeOffset Time,
    bool Stopping,
    IReadOnlyList<DashboardInstance> Instances,
    IReadOnlyList<TierReport> Tiers,
    DashboardQueue Queue,
    RequestFigures Figures,
    IReadOnlyList<RequestTrouble> Troubles);

/// <summary>An instance on the fleet page.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Url">Address of the instance.</param>
/// <param name="Kind"><see cref="Discovery.InstanceKind"/> in lower case; absent for an Ollama server.</param>
/// <param name="State"><see cref="Fleet.InstanceStatus"/> in lower case.</param>
/// <param name="Draining">Whether it is drained.</param>
/// <param name="DrainDeadline">Deadline of the drain; absent if there is none.</param>
/// <param name="Used">Number of its requests from all gateways, as they last reported.</param>
/// <param name="Slots">Maximum number of requests.</param>
/// <param name="Loaded">Models in its memory.</param>
/// <param name="Conditions">Its models with restricted use; absent for none.</param>
/// <param name="Error">Reason why it gets no requests.</param>
/// <param name="Remarks">Further remarks; absent for none.</param>
internal sealed record DashboardInstance(
    string Name,
    Uri Url,
    string? Kind,
    string State,
    bool Draining,
    DateTimeOffset? DrainDeadline,
    int Used,
    int Slots,
    IReadOnlyList<DashboardModel> Loaded,
    IReadOnlyList<ConditionReport>? Conditions,
    string? Error,
    IReadOnlyList<string>? Remarks);

/// <summary>A model in memory.</summary>
/// <param name="Name">Name as the instance reports it.</param>
/// <param name="Bytes">Memory in bytes; absent if the server does not report it.</param>
/// <param name="OnGpu">Whether it is completely in GPU memory.</param>
internal sealed record DashboardModel(string Name, long? Bytes, bool OnGpu);

/// <summary>The queue on the fleet page.</summary>
/// <param name="Length">Number of waiting requests.</param>
/// <param name="Limit">Maximum number of waiting requests.</param>
/// <param name="Lines">Waiting requests by model and tenant.</param>
internal sealed record DashboardQueue(int Length, int Limit, IReadOnlyList<DashboardLine> Lines);

/// <summary>The waiting requests of one tenant for one model.</summary>
/// <param name="Model">Canonical name; empty if any instance can serve them.</param>
/// <param name="Tenant">Name of the tenant; empty for retried requests.</param>
/// <param name="Waiting">Number of waiting requests.</param>
internal sealed record DashboardLine(string Model, string Tenant, int Waiting);

// Null figures are written, as gaps in the lists.
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DashboardSnapshot))]
internal sealed partial class PageJson : JsonSerializerContext;
