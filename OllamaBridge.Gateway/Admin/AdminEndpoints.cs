using Microsoft.Extensions.Diagnostics.HealthChecks;
using OllamaBridge.Gateway.Admin.Page;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The operator's API under <c>/bridge</c>.</summary>
internal static class AdminEndpoints
{
    /// <summary>Maps the endpoints. Until some key has the scope Admin they answer callers on this machine.</summary>
    public static void MapAdmin(this WebApplication app)
    {
        var identity = app.Services.GetRequiredService<IdentityStage>();
        var trail = app.Services.GetRequiredService<AuditTrail>();
        var bridge = app.MapGroup("/bridge").AddEndpointFilter((context, next) => AuditEndpointFilter.RunAsync(
            context.HttpContext,
            trail,
            async () => await identity.AuthorizeAdminAsync(context.HttpContext, LesserScope.Of(context.HttpContext)) is { } status ? Refuse(status) : StrictRequests.FindMistake(context.HttpContext),
            () => next(context)));
        bridge.MapTenants();
        bridge.MapInstances();
        bridge.MapGet("/queue", (RequestQueue queue) => TypedResults.Ok(Report(queue)))
            .Describe("getQueue", "Who waits, by model and tenant.");
        bridge.MapTiers();
        bridge.MapUsage();
        bridge.MapAudit();
        app.MapRegion(identity);
        app.MapFleetPage(bridge);
        app.MapApiDescription();
    }

    /// <summary>Writes the answer of <c>/health</c>: the whole and each check's own words.</summary>
    public static Task WriteHealthAsync(HttpContext context, HealthReport report) => context.Items.ContainsKey(OperatorGate.WithoutDetails) ? Task.CompletedTask : context.Response.WriteAsJsonAsync(
        new HealthSummary(
            report.Status.ToString(),
            report.Entries.ToDictionary(e => e.Key, e => e.Value.Description is { } text ? $"{e.Value.Status}: {text}" : e.Value.Status.ToString())),
        AdminJson.Default.HealthSummary,
        cancellationToken: context.RequestAborted);

    /// <summary>The problem of who may not ask.</summary>
    internal static IResult Refuse(int status) => status == StatusCodes.Status503ServiceUnavailable
        ? new RetryLater("API keys cannot be checked at the moment.")
        : TypedResults.Problem(
        status == StatusCodes.Status401Unauthorized
            ? "The bridge's own API wants the API key of an operator."
            : "The bridge's own API answers operators only: callers on its machine, or an API key with the scope Admin.",
        statusCode: status);

    private static QueueReport Report(RequestQueue queue) => new(
        queue.Count,
        queue.Limit,
        [.. queue.Describe().Select(d => new QueuedModel(
            d.Entry.Model,
            d.Entry.Waiting,
            Math.Round(d.Entry.Oldest.TotalSeconds, 3),
            d.EstimatedWait is { } wait ? Math.Round(wait.TotalSeconds, 3) : null,
            [.. d.Tenants.Select(t => new QueuedTenant(t.Tenant, t.Interactive, t.Batch))]))]);
}
