using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>What the page shows at one moment. Never what was asked or answered.</summary>
/// <param name="Time">Which moment.</param>
/// <param name="Stopping">Whether the gateway takes nothing new.</param>
/// <param name="Instances">Every instance, in the fleet's order.</param>
/// <param name="Tiers">The cold tiers.</param>
/// <param name="Queue">Who waits.</param>
/// <param name="Figures">The last minutes.</param>
/// <param name="Troubles">The latest requests that did not go straight, newest first.</param>
internal sealed record FleetPicture(
    DateTimeOffset Time,
    bool Stopping,
    IReadOnlyList<PictureInstance> Instances,
    IReadOnlyList<TierReport> Tiers,
    PictureQueue Queue,
    PictureFigures Figures,
    IReadOnlyList<PictureTrouble> Troubles);

/// <summary>One instance.</summary>
/// <param name="Name">What operators call it.</param>
/// <param name="Url">Its address.</param>
/// <param name="Kind"><see cref="Fleet.InstanceKind"/> in lower case; absent for an Ollama server.</param>
/// <param name="State"><see cref="Fleet.InstanceStatus"/> in lower case.</param>
/// <param name="Draining">Whether it is emptied.</param>
/// <param name="DrainDeadline">By when; absent where it may take its time.</param>
/// <param name="Used">How many requests it holds, of all gateways as they last said.</param>
/// <param name="Slots">How many it may hold.</param>
/// <param name="Loaded">The models in its memory.</param>
/// <param name="Conditions">Its models that are not used like any others; absent for none.</param>
/// <param name="Error">Why it gets no requests.</param>
/// <param name="Remarks">What else is to know of it; absent for nothing.</param>
internal sealed record PictureInstance(
    string Name,
    Uri Url,
    string? Kind,
    string State,
    bool Draining,
    DateTimeOffset? DrainDeadline,
    int Used,
    int Slots,
    IReadOnlyList<PictureModel> Loaded,
    IReadOnlyList<ConditionReport>? Conditions,
    string? Error,
    IReadOnlyList<string>? Remarks);

/// <summary>A model in memory.</summary>
/// <param name="Name">As the instance writes it.</param>
/// <param name="Bytes">What it takes; absent where the server does not say.</param>
/// <param name="OnGpu">Whether all of it is in the memory of a GPU.</param>
internal sealed record PictureModel(string Name, long? Bytes, bool OnGpu);

/// <summary>The queue.</summary>
/// <param name="Length">How many wait.</param>
/// <param name="Limit">How many may.</param>
/// <param name="Lines">By model and tenant.</param>
internal sealed record PictureQueue(int Length, int Limit, IReadOnlyList<PictureLine> Lines);

/// <summary>What waits of one tenant for one model.</summary>
/// <param name="Model">Canonical name; empty where any instance will do.</param>
/// <param name="Tenant">Whose; empty for requests that are sent again.</param>
/// <param name="Waiting">How many.</param>
internal sealed record PictureLine(string Model, string Tenant, int Waiting);

/// <summary>The last minutes in equal steps, oldest first; the last step is the one under way.</summary>
/// <param name="StepSeconds">How long a step is.</param>
/// <param name="Requests">Requests to models that ended.</param>
/// <param name="TokensPerSecond">Tokens of their answers.</param>
/// <param name="Median">Seconds that half of the answered ones took at most; null where none was.</param>
/// <param name="P95">Seconds that 95 of 100 of them took at most.</param>
internal sealed record PictureFigures(
    double StepSeconds,
    IReadOnlyList<int> Requests,
    IReadOnlyList<double> TokensPerSecond,
    IReadOnlyList<double?> Median,
    IReadOnlyList<double?> P95);

/// <summary>A request that did not go straight.</summary>
/// <param name="Time">When it ended.</param>
/// <param name="Kind"><c>failed</c>, <c>truncated</c>, <c>continued</c> or <c>retried</c>.</param>
/// <param name="Model">Canonical name, <c>other</c> or empty.</param>
/// <param name="Tenant">Whose it was.</param>
/// <param name="Instance">Who answered; absent for nobody.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="Causes">Why its answer broke off, in order; absent where it did not.</param>
internal sealed record PictureTrouble(
    DateTimeOffset Time,
    string Kind,
    string Model,
    string Tenant,
    string? Instance,
    int Status,
    int Attempts,
    IReadOnlyList<string>? Causes);

// Nulls stay: in a list of figures they are gaps.
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FleetPicture))]
internal sealed partial class PageJson : JsonSerializerContext;
