using Microsoft.Extensions.Diagnostics.HealthChecks;
using OllamaBridge.Gateway.Admin.Page;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

internal static class AdminEndpoints
{
    /// <summary>Maps the endpoints. Until a key with the scope Admin exists, they accept requests from this machine.</summary>
    public static void MapAdmin(this WebApplication app)
    {
        var identity = app.Services.GetRequiredService<RequestAuthenticator>();
        var trail = app.Services.GetRequiredService<AuditTrail>();
        var bridge = app.MapGroup("/bridge").AddEndpointFilter((context, next) => AuditEndpointFilter.RunAsync(
            context.HttpContext,
            trail,
            async () => await identity.AuthorizeAdminAsync(context.HttpContext, LesserScope.Of(context.HttpContext)) is { } status
                ? Refuse(status)
                : StrictRequests.FindMistake(context.HttpContext),
            () => next(context)));
        bridge.MapTenants();
        bridge.MapInstances();
        bridge.MapGet("/queue", (RequestQueue queue) => TypedResults.Ok(Report(queue)))
            .Describe("getQueue", "Waiting requests by model and tenant.");
        bridge.MapTiers();
        bridge.MapUsage();
        bridge.MapAudit();
        app.MapRegion(identity);
        app.MapFleetPage(bridge);
        app.MapApiDescription();
    }

    /// <summary>Writes the body of <c>/health</c>: the overall status and the description of each check.</summary>
    public static Task WriteHealthAsync(HttpContext context, HealthReport report) =>
        context.Items.ContainsKey(OperatorGate.WithoutDetails) ? Task.CompletedTask : context.Response.WriteAsJsonAsync(
        new HealthSummary(
            report.Status.ToString(),
            report.Entries.ToDictionary(e => e.Key, e => e.Value.Description is { } text ? $"{e.Value.Status}: {text}" : e.Value.Status.ToString())),
        AdminJson.Default.HealthSummary,
        cancellationToken: context.RequestAborted);

    internal static IResult Refuse(int status) => status == StatusCodes.Status503ServiceUnavailable
        ? new RetryLater("API keys cannot be checked at the moment.")
        : TypedResults.Problem(
        status == StatusCodes.Status401Unauthorized
            ? "The operators' API requires an API key with the scope Admin."
            : "The operators' API requires an API key with the scope Admin, or, while no such key exists, a client on the bridge's machine.",
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
