using System.Text.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Tenants and their keys under <c>/bridge/tenants</c>.</summary>
internal static class TenantEndpoints
{
    private static readonly TimeSpan DefaultOverlap = TimeSpan.FromHours(1);
    private static readonly TimeSpan MaxOverlap = TimeSpan.FromDays(30);

    public static void MapTenants(this RouteGroupBuilder bridge)
    {
        bridge.MapGet("/tenants", (TenantDirectory directory) =>
            TypedResults.Ok<IReadOnlyList<TenantReport>>([.. directory.Tenants.Select(t => Report(directory, t))]))
            .Describe("listTenants", "All tenants with the ids of their keys. Keys themselves are never returned.");
        bridge.MapGet("/tenants/{id}", (string id, TenantDirectory directory) =>
            directory.Tenants.FirstOrDefault(t => t.Id == id) is { } tenant ? TypedResults.Ok(Report(directory, tenant)) : NotFound(id))
            .Produces<TenantReport>().Describe("getTenant", "One tenant.", 404);
        bridge.MapPut("/tenants/{id}", PutAsync).Takes<TenantSettings>().Produces<TenantReport>()
            .Describe("putTenant", "Adds a tenant, or replaces its settings. Omitted settings get their defaults. Its keys stay.", 400, 409)
            .Audited(AuditActions.TenantPut);
        bridge.MapPatch("/tenants/{id}", PatchAsync).Takes<TenantSettings>(ApiDescription.MergePatch).Produces<TenantReport>()
            .Describe("patchTenant", "Changes settings of a tenant by a JSON merge patch (RFC 7396). null resets a setting to its default.", 400, 404, 409)
            .Audited(AuditActions.TenantPatch);
        bridge.MapDelete("/tenants/{id}", RemoveAsync)
            .Produces(StatusCodes.Status204NoContent).Describe("removeTenant", "Removes a tenant and its keys.", 404, 409).Audited(AuditActions.TenantRemove);
        bridge.MapPost(
            "/tenants/{id}/disable",
            (string id, HttpContext context, TenantDirectory directory, CancellationToken gone) => SetDisabledAsync(context, directory, id, true, gone))
            .Produces<TenantReport>().Describe("disableTenant", "Refuses a tenant's keys.", 404, 409).Audited(AuditActions.TenantDisable);
        bridge.MapPost(
            "/tenants/{id}/enable",
            (string id, HttpContext context, TenantDirectory directory, CancellationToken gone) => SetDisabledAsync(context, directory, id, false, gone))
            .Produces<TenantReport>().Describe("enableTenant", "Accepts a tenant's keys again.", 404, 409).Audited(AuditActions.TenantEnable);
        bridge.MapPost("/tenants/{id}/keys", AddKeyAsync).Produces<NewKey>(StatusCodes.Status201Created)
            .Describe("addKey", "Adds a key. Only this response contains it.", 400, 404, 409).Audited(AuditActions.KeyAdd);
        bridge.MapPost("/tenants/{id}/keys/{key}/rotate", RotateAsync).Produces<NewKey>(StatusCodes.Status201Created)
            .Describe("rotateKey", "Replaces a key. The old one stays valid for a while.", 400, 404, 409).Audited(AuditActions.KeyRotate);
        bridge.MapDelete("/tenants/{id}/keys/{key}", RemoveKeyAsync).Produces(StatusCodes.Status204NoContent)
            .Describe("removeKey", "Removes a key.", 404, 409).Audited(AuditActions.KeyRemove);
    }

    private static async Task<IResult> PutAsync(string id, HttpContext context, TenantDirectory directory, CancellationToken gone)
    {
        var (body, mistake) = await AdminBody.ReadAsync(context.Request, AdminJson.Default.TenantSettings, gone);
        if (body is null || TenantSettings.Read(id, body, out mistake) is not { } settings)
            return TypedResults.Problem(mistake, statusCode: StatusCodes.Status400BadRequest);
        var (change, tenant) = await ChangeAsync(context, directory, id, was => settings.ApplyTo(was ?? new TenantRecord { Id = id }), gone);
        return Answer(change, id) ?? TypedResults.Ok(Report(directory, tenant!));
    }

    private static async Task<IResult> PatchAsync(string id, HttpContext context, TenantDirectory directory, CancellationToken gone)
    {
        var (patch, mistake) = await AdminBody.ReadAsync(context.Request, AdminJson.Default.TenantSettings, gone);
        if (patch is null || (mistake = AdminBody.FindMistake(patch, AdminJson.Default.TenantSettings)) is not null)
            return TypedResults.Problem(mistake, statusCode: StatusCodes.Status400BadRequest);
        var (change, tenant) = await ChangeAsync(
            context,
            directory,
            id,
            was =>
            {
                // Another gateway may have changed the tenant meanwhile. The patch applies to its current state.
                mistake = null;
                var before = was is null ? null : JsonSerializer.SerializeToNode(TenantSettings.Of(was), AdminJson.Default.TenantSettings)!.AsObject();
                return before is null ? null : TenantSettings.Read(id, AdminBody.Merge(before, patch), out mistake)?.ApplyTo(was!);
            },
            gone);
        return mistake is not null
            ? TypedResults.Problem(mistake, statusCode: StatusCodes.Status400BadRequest)
            : Answer(change, id) ?? TypedResults.Ok(Report(directory, tenant!));
    }

    private static async Task<IResult> RemoveAsync(string id, HttpContext context, TenantDirectory directory, CancellationToken gone)
    {
        if (directory.Tenants.FirstOrDefault(t => t.Id == id) is { } tenant)
            PendingChange.Of(context).Before = Describe(directory, tenant);
        var (change, _) = await directory.RemoveAsync(id, gone);
        PendingChange.Of(context).IsUncertain = change == TenantChange.Unavailable;
        return Answer(change, id) ?? TypedResults.NoContent();
    }

    private static async Task<TenantEdit> ChangeAsync(
        HttpContext context, TenantDirectory directory, string id, Func<TenantRecord?, TenantRecord?> change, CancellationToken gone)
    {
        TenantRecord? before = null;
        var edit = await directory.ChangeAsync(id, was => change(before = was), gone);
        var pending = PendingChange.Of(context);
        pending.IsUncertain = edit.Change == TenantChange.Unavailable;
        pending.Before ??= before is null ? null : Describe(directory, before);
        pending.After ??= edit.Tenant is null ? null : Describe(directory, edit.Tenant);
        return edit;
    }

    internal static JsonObject Describe(TenantRecord tenant, bool isConfigured) =>
        JsonSerializer.SerializeToNode(Report(tenant, isConfigured), AdminJson.Default.TenantReport)!.AsObject();

    private static JsonObject Describe(TenantDirectory directory, TenantRecord tenant) => Describe(tenant, directory.IsConfigured(tenant.Id));

    private static JsonObject Describe(KeyRecord key)
    {
        var description = new JsonObject { ["id"] = key.Id, ["created"] = JsonValue.Create(key.Created) };
        if (key.Expires is { } expires)
            description["expires"] = JsonValue.Create(expires);
        return description;
    }

    private static async Task<IResult> SetDisabledAsync(HttpContext context, TenantDirectory directory, string id, bool disabled, CancellationToken gone)
    {
        var (change, tenant) = await ChangeAsync(context, directory, id, was => was is null ? null : was with { Disabled = disabled }, gone);
        return Answer(change, id) ?? TypedResults.Ok(Report(directory, tenant!));
    }

    private static async Task<IResult> AddKeyAsync(
        string id, DateTimeOffset? expires, HttpContext context, TenantDirectory directory, TimeProvider time, CancellationToken gone)
    {
        var now = time.GetWallClock();
        if (expires <= now)
            return TypedResults.Problem("expires is in the past.", statusCode: StatusCodes.Status400BadRequest);
        var (key, verifier) = ApiKey.Create();
        var record = new KeyRecord(verifier.ToString(), now, expires);
        var pending = PendingChange.Of(context);
        (pending.Target, pending.After) = ($"{id}/{record.Id}", Describe(record));
        var change = await ChangeAsync(context, directory, id, was => was is null ? null : was with { Keys = [.. Without(was, record.Id), record] }, gone);
        pending.Before = null;
        return Answer(change.Change, id) ?? Created(id, record, key);
    }

    /// <summary>Replaces a key; the old one stays valid for a while.</summary>
    private static async Task<IResult> RotateAsync(
        string id, string key, double? overlapSeconds, HttpContext context, TenantDirectory directory, TimeProvider time, CancellationToken gone)
    {
        if (overlapSeconds is { } seconds && !(seconds >= 0 && seconds <= MaxOverlap.TotalSeconds))
            return TypedResults.Problem($"overlapSeconds is not between 0 and {MaxOverlap.TotalSeconds}.", statusCode: StatusCodes.Status400BadRequest);
        var now = time.GetWallClock();
        var until = now + (overlapSeconds is { } s ? TimeSpan.FromSeconds(s) : DefaultOverlap);
        var (text, verifier) = ApiKey.Create();
        KeyRecord? record = null;
        var pending = PendingChange.Of(context);
        var change = await ChangeAsync(
            context,
            directory,
            id,
            was =>
            {
                if (was?.Keys.FirstOrDefault(k => k.Id == key) is not { } old)
                    return null;
                record = new KeyRecord(verifier.ToString(), now, old.Expires);
                (pending.Before, pending.After) = (Describe(old), Describe(record));
                var ending = old with { Expires = old.Expires < until ? old.Expires : until };
                return was with { Keys = [.. Without(was, record.Id).Select(k => k.Id == key ? ending : k), record] };
            },
            gone);
        return Answer(change.Change, $"{id}' with a key '{key}") ?? Created(id, record!, text);
    }

    private static async Task<IResult> RemoveKeyAsync(string id, string key, HttpContext context, TenantDirectory directory, CancellationToken gone)
    {
        var pending = PendingChange.Of(context);
        var change = await ChangeAsync(
            context,
            directory,
            id,
            was =>
            {
                if (was?.Keys.FirstOrDefault(k => k.Id == key) is not { } old)
                    return null;
                pending.Before = Describe(old);
                return was with { Keys = [.. Without(was, key)] };
            },
            gone);
        pending.After = null;
        return Answer(change.Change, $"{id}' with a key '{key}") ?? TypedResults.NoContent();
    }

    private static IResult? Answer(TenantChange change, string id) => change switch
    {
        TenantChange.NotFound => NotFound(id),
        TenantChange.Configured => TypedResults.Problem(
            $"'{id}' comes from the configuration; change it there.", statusCode: StatusCodes.Status409Conflict),
        TenantChange.Unavailable => new RetryLater("The shared state does not respond. The change may have been made or not; check before you repeat it."),
        _ => null,
    };

    // A change may be applied twice, if its response was lost and another gateway's change came in between.
    private static IEnumerable<KeyRecord> Without(TenantRecord tenant, string key) => tenant.Keys.Where(k => k.Id != key);

    private static IResult NotFound(string id) => TypedResults.Problem($"There is no tenant '{id}'.", statusCode: StatusCodes.Status404NotFound);

    private static IResult Created(string id, KeyRecord record, string key) =>
        TypedResults.Created($"/bridge/tenants/{id}", new NewKey(record.Id, key, record.Created, record.Expires));

    private static TenantReport Report(TenantDirectory directory, TenantRecord tenant) => Report(tenant, directory.IsConfigured(tenant.Id));

    private static TenantReport Report(TenantRecord tenant, bool isConfigured) => new(
        tenant.Id,
        tenant.Scopes,
        tenant.Models,
        tenant.Instances,
        tenant.OwnInstances,
        tenant.Weight,
        tenant.Priority,
        tenant.Limits,
        tenant.Disabled,
        isConfigured,
        [.. tenant.Keys.Select(k => new KeyReport(k.Id, k.Created, k.Expires))]);
}

/// <summary>A tenant's settings in the operators' API. Defaults are the same as in the configuration.</summary>
/// <remarks>Setters, because generated JSON readers set an omitted <c>init</c> property to the default of its type.</remarks>
internal sealed record TenantSettings
{
    public Scopes Scopes { get; set; } = Scopes.Inference;

    public IReadOnlyList<string> Models { get; set; } = [];

    public IReadOnlyList<string> Instances { get; set; } = [];

    public IReadOnlyList<string> OwnInstances { get; set; } = [];

    public double Weight { get; set; } = 1;

    public Priority Priority { get; set; }

    public TenantLimits Limits { get; set; } = new();

    public static TenantSettings? Read(string id, JsonObject body, out string? mistake)
    {
        if (AdminBody.Convert(body, AdminJson.Default.TenantSettings, out mistake) is not { } read)
            return null;
        var mistakes = TenantsOptionsValidator.Mistakes(id, read.Weight, read.Scopes, read.Models, [.. read.Instances, .. read.OwnInstances], read.Limits)
            .Select(m => $"{m.Where.TrimStart(':')} {m.What}".Trim()).ToList();
        mistake = mistakes.Count == 0 ? null : string.Join(' ', mistakes);
        return mistake is null ? read : null;
    }

    public static TenantSettings Of(TenantRecord tenant) => new()
    {
        Scopes = tenant.Scopes,
        Models = tenant.Models,
        Instances = tenant.Instances,
        OwnInstances = tenant.OwnInstances,
        Weight = tenant.Weight,
        Priority = tenant.Priority,
        Limits = tenant.Limits,
    };

    public TenantRecord ApplyTo(TenantRecord tenant) => tenant with
    {
        Scopes = Scopes,
        Models = Models,
        Instances = Instances,
        OwnInstances = OwnInstances,
        Weight = Weight,
        Priority = Priority,
        Limits = Limits,
    };
}

/// <summary>A tenant in the operators' API. Contains no secret.</summary>
internal sealed record TenantReport(
    string Id,
    Scopes Scopes,
    IReadOnlyList<string> Models,
    IReadOnlyList<string> Instances,
    IReadOnlyList<string> OwnInstances,
    double Weight,
    Priority Priority,
    TenantLimits Limits,
    bool Disabled,
    bool Configured,
    IReadOnlyList<KeyReport> Keys);

/// <summary>A key in the operators' API.</summary>
internal sealed record KeyReport(string Id, DateTimeOffset Created, DateTimeOffset? Expires);

/// <summary>A new key. Only this response contains it.</summary>
internal sealed record NewKey(string Id, string Key, DateTimeOffset Created, DateTimeOffset? Expires);
