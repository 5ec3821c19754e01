using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The instances under <c>/bridge/instances</c>: their state, drains, and instances added at run time.</summary>
internal static class InstanceEndpoints
{
    public static void MapInstances(this IEndpointRouteBuilder bridge)
    {
        bridge.MapGet("/instances", (IFleet fleet, TimeProvider time) =>
            TypedResults.Ok(Report(fleet.Current, time)))
            .Describe("listInstances", "All instances with their state, slots and models.");
        bridge.MapPost("/instances", AddAsync).Takes<NewInstance>()
            .Produces<InstanceReport>().Produces<InstanceReport>(StatusCodes.Status201Created)
            .Describe("addInstance", "Adds an instance, or replaces the settings of an added one. Omitted settings get their defaults.", 400, 409)
            .Audited(AuditActions.InstanceAdd);
        bridge.MapPut("/instances/{name}", PutAsync).Takes<NewInstance>()
            .Produces<InstanceReport>().Produces<InstanceReport>(StatusCodes.Status201Created)
            .Describe("putInstance", "Adds an instance under the name in the path, or replaces its settings.", 400, 409).Audited(AuditActions.InstanceAdd);
        bridge.MapPatch("/instances/{name}", PatchAsync).Takes<NewInstance>(ApiDescription.MergePatch).Produces<InstanceReport>()
            .Describe(
                "patchInstance", "Changes settings of an added instance by a JSON merge patch (RFC 7396). null resets a setting to its default.", 400, 404,
                409).Audited(AuditActions.InstanceChange);
        bridge.MapDelete("/instances/{name}", RemoveAsync).Produces(StatusCodes.Status204NoContent)
            .Describe("removeInstance", "Removes an added instance. Its running requests continue.", 404, 409).Audited(AuditActions.InstanceRemove);
        bridge.MapPost("/instances/{name}/drain", DrainAsync).Produces<InstanceReport>().WithMetadata(new LesserScope(Scopes.Drain))
            .Describe("drainInstance", "Drains an instance: it gets no new requests. At a deadline its streams are moved to other instances.", 400, 404)
            .Audited(AuditActions.DrainStart);
        bridge.MapPost("/instances/{name}/undrain", UndrainAsync)
            .Produces<InstanceReport>().WithMetadata(new LesserScope(Scopes.Drain)).Describe("undrainInstance", "Ends the drain of an instance.", 404)
            .Audited(AuditActions.DrainEnd);
    }

    private static async Task<IResult> AddAsync(
        HttpContext context, IFleet fleet, IOptions<FleetOptions> options, TimeProvider time, CancellationToken gone)
    {
        var (body, mistake) = await AdminBody.ReadAsync(context.Request, AdminJson.Default.NewInstance, gone);
        return body is null ? Problem(mistake!, 400) : await SetAsync(context, body, fleet, options, time, gone);
    }

    private static async Task<IResult> PutAsync(
        string name, HttpContext context, IFleet fleet, IOptions<FleetOptions> options, TimeProvider time, CancellationToken gone)
    {
        var (body, mistake) = await AdminBody.ReadAsync(context.Request, AdminJson.Default.NewInstance, gone);
        if (body is null)
            return Problem(mistake!, 400);
        return Named(body, name) ? await SetAsync(context, body, fleet, options, time, gone) : Problem(OtherName(name), 400);
    }

    private static async Task<IResult> PatchAsync(
        string name, HttpContext context, IFleet fleet, IOptions<FleetOptions> options, TimeProvider time, CancellationToken gone)
    {
        var (patch, mistake) = await AdminBody.ReadAsync(context.Request, AdminJson.Default.NewInstance, gone);
        if (patch is null || (mistake = AdminBody.FindMistake(patch, AdminJson.Default.NewInstance)) is not null)
            return Problem(mistake!, 400);
        if (Find(fleet, name) is not { } view)
            return NotFound(name);
        var before = JsonSerializer.SerializeToNode(NewInstance.Of(view.Instance), AdminJson.Default.NewInstance)!.AsObject();
        return Named(patch, view.Instance.Name)
            ? await SetAsync(context, AdminBody.Merge(before, patch), fleet, options, time, gone)
            : Problem(OtherName(name), 400);
    }

    /// <summary>Sets the name in a body to the one in the path. Returns false if the body names another instance.</summary>
    private static bool Named(JsonObject body, string name)
    {
        var isOther = body["name"] is { } written
            && !(written.GetValueKind() == JsonValueKind.String && string.Equals(written.GetValue<string>(), name, StringComparison.OrdinalIgnoreCase));
        if (!isOther)
            body["name"] = name;
        return !isOther;
    }

    private static string OtherName(string name) => $"name: differs from the name in the path, '{name}'. A name cannot be changed.";

    private static async Task<IResult> SetAsync(
        HttpContext context, JsonObject body, IFleet fleet, IOptions<FleetOptions> options, TimeProvider time, CancellationToken gone)
    {
        var change = PendingChange.Of(context);
        if (AdminBody.Convert(body, AdminJson.Default.NewInstance, out var mistake) is not { } settings)
            return Problem(mistake!, 400);
        change.Target = settings.Name ?? "";
        var mistakes = new List<string>();
        var definition = InstanceDefinitions.ReadOne(
            new InstanceOptions
            {
                Name = settings.Name,
                Url = settings.Url,
                Slots = settings.Slots,
                MaxLoadedModels = settings.MaxLoadedModels,
                Kind = settings.Kind,
                Models = [.. settings.Models ?? []],
                Routes = settings.Routes,
                HealthPath = settings.HealthPath,
            },
            options.Value.Slots,
            mistakes);
        if (definition is null)
            return Problem(string.Join(' ', mistakes), 400);
        change.Target = definition.Name;
        if (Find(fleet, definition.Name) is { } known)
            (change.Action, change.Before) = (AuditActions.InstanceChange, InstanceDescription.Of(known.Instance.Definition));
        change.After = InstanceDescription.Of(definition);
        return await fleet.AddAsync(definition, gone) switch
        {
            MemberChange.Configured => Problem($"An instance '{definition.Name}' comes from the configuration; change it there.", 409),
            MemberChange.AddressTaken => Problem($"Another instance has the address {definition.Url}, so it would get twice its slots.", 409),
            var made => Find(fleet, definition.Name) is not { } view
                ? Problem($"'{definition.Name}' was removed at the same time.", 409)
                : made == MemberChange.Added
                    ? TypedResults.Created($"/bridge/instances/{view.Instance.Name}", Report(fleet.Current, view, time))
                    : TypedResults.Ok(Report(fleet.Current, view, time)),
        };
    }

    private static async Task<IResult> RemoveAsync(string name, HttpContext context, IFleet fleet, CancellationToken gone)
    {
        if (Find(fleet, name) is { } view)
            PendingChange.Of(context).Before = InstanceDescription.Of(view.Instance.Definition);
        return await fleet.RemoveAsync(name, gone) switch
        {
            MemberChange.Configured => Problem(
                $"'{name}' comes from the configuration; remove it there, or POST /bridge/instances/{name}/drain to drain it.", 409),
            MemberChange.NotFound => NotFound(name),
            _ => TypedResults.NoContent(),
        };
    }

    private static async Task<IResult> DrainAsync(
        string name, string? deadline, string? wait, HttpContext context, IFleet fleet, IOptions<SharingOptions> sharing, TimeProvider time, CancellationToken gone)
    {
        var now = time.GetWallClock();
        if (DrainRequest.Read(deadline, wait, now, out var mistake) is not { } drain)
            return Problem(mistake!, 400);
        NoteDrain(context, fleet, name, isBefore: true);
        var found = drain.Deadline is { } until ? await fleet.DrainUntilAsync(name, until, gone) : await fleet.SetDrainingAsync(name, draining: true, gone);
        NoteDrain(context, fleet, name, isBefore: false);
        if (found)
            PendingChange.Of(context).RecordNow();
        if (found && drain is { Waits: true, Deadline: { } end })
            await DrainWait.RunAsync(fleet, name, time.GetMoment() + (end - now), sharing.Value.Interval, time, gone);
        return found && Find(fleet, name) is { } view ? TypedResults.Ok(Report(fleet.Current, view, time)) : NotFound(name);
    }

    private static async Task<IResult> UndrainAsync(string name, HttpContext context, IFleet fleet, TimeProvider time, CancellationToken gone)
    {
        NoteDrain(context, fleet, name, isBefore: true);
        var found = await fleet.SetDrainingAsync(name, draining: false, gone);
        NoteDrain(context, fleet, name, isBefore: false);
        return found && Find(fleet, name) is { } view ? TypedResults.Ok(Report(fleet.Current, view, time)) : NotFound(name);
    }

    private static void NoteDrain(HttpContext context, IFleet fleet, string name, bool isBefore)
    {
        if (Find(fleet, name) is not { } view)
            return;
        var change = PendingChange.Of(context);
        change.Target = view.Instance.Name;
        if (isBefore)
            change.Before = InstanceDescription.OfDrain(view);
        else
            change.After = InstanceDescription.OfDrain(view);
    }

    private static InstanceView? Find(IFleet fleet, string name) =>
        fleet.Current.Instances.FirstOrDefault(v => string.Equals(v.Instance.Name, name, StringComparison.OrdinalIgnoreCase));

    private static IResult NotFound(string name) => Problem($"There is no instance '{name}'.", 404);

    private static IResult Problem(string detail, int status) => TypedResults.Problem(detail, statusCode: status);

    private static IReadOnlyList<InstanceReport> Report(FleetSnapshot fleet, TimeProvider time) =>
        [.. fleet.Instances.Select(view => Report(fleet, view, time))];

    private static InstanceReport Report(FleetSnapshot fleet, InstanceView view, TimeProvider time)
    {
        var remarks = InstanceRemarks.Of(fleet, view);
        return new InstanceReport(
            view.Instance.Name,
            view.Instance.Url,
            Telemetry.Labels.Of(view.Instance.Kind),
            Telemetry.Labels.Of(view.Status),
            view.Draining,
            view.DrainDeadline,
            view.IsConfigured,
            view.Instance.SlotsUsed + view.Instance.UsedElsewhere,
            view.Instance.Slots,
            view.Instance.SlotsUsed,
            Math.Min(view.Instance.Allowance, view.Instance.Slots),
            view.Instance.UsedElsewhere,
            [.. view.Catalog.Select(m => m.Name)],
            [.. view.Loaded.Select(m => m.Name)],
            view.Version,
            InstanceRemarks.Reason(fleet, view, remarks),
            remarks.Count == 0 ? null : remarks,
            ConditionReport.Of(view.Instance, time));
    }
}

/// <summary>Settings of an instance in the operators' API: the fields of <c>Bridge:Instances:N</c>, with the same rules.</summary>
/// <remarks>Without a key, because these settings are stored in the shared state, which must not contain keys.</remarks>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record NewInstance
{
    public string? Name { get; set; }

    public string? Url { get; set; }

    public int? Slots { get; set; }

    public int MaxLoadedModels { get; set; }

    public InstanceKind Kind { get; set; }

    public IReadOnlyList<string>? Models { get; set; }

    public ApiRoutes Routes { get; set; }

    public string? HealthPath { get; set; }

    public static NewInstance Of(Instance instance) => new()
    {
        Name = instance.Name,
        Url = instance.Url.OriginalString,
        Slots = instance.Slots,
        MaxLoadedModels = instance.Definition.MaxLoadedModels,
        Kind = instance.Kind,
        Models = instance.OpenAI is { Models: { IsDefaultOrEmpty: false } models } ? [.. models] : null,
        Routes = instance.OpenAI?.Routes ?? ApiRoutes.None,
        HealthPath = instance.OpenAI?.HealthPath,
    };
}

/// <summary>An instance in the operators' API.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Url">Address of the instance.</param>
/// <param name="Kind"><see cref="InstanceKind"/> in lower case.</param>
/// <param name="State"><see cref="InstanceStatus"/> in lower case.</param>
/// <param name="Draining">Whether it is drained.</param>
/// <param name="DrainDeadline">Deadline of the drain; absent if there is none.</param>
/// <param name="Configured">Whether it comes from the configuration; else it was added at run time.</param>
/// <param name="Running">Number of its requests from all gateways, as they last reported.</param>
/// <param name="Slots">Maximum number of requests.</param>
/// <param name="SlotsUsed">Number of its requests from this gateway.</param>
/// <param name="Allowance">Number of its slots that this gateway may use now.</param>
/// <param name="UsedElsewhere">Number of its slots that other gateways use, as they last reported.</param>
/// <param name="Models">Models on its disk.</param>
/// <param name="Loaded">Models in its memory.</param>
/// <param name="Version">Version of its Ollama server.</param>
/// <param name="Error">Reason why it gets no requests; absent if it does.</param>
/// <param name="Remarks">Further remarks: missing features, models that are not used on it; absent for none.</param>
/// <param name="Conditions">Its models with restricted use; absent for none.</param>
internal sealed record InstanceReport(
    string Name,
    Uri Url,
    string Kind,
    string State,
    bool Draining,
    DateTimeOffset? DrainDeadline,
    bool Configured,
    int Running,
    int Slots,
    int SlotsUsed,
    int Allowance,
    int UsedElsewhere,
    IReadOnlyList<string> Models,
    IReadOnlyList<string> Loaded,
    string? Version,
    string? Error,
    IReadOnlyList<string>? Remarks,
    IReadOnlyList<ConditionReport>? Conditions);
