using System.Globalization;
using OllamaBridge.Gateway.Audit;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The audit log: <c>/bridge/audit</c>.</summary>
internal static class AuditEndpoints
{
    private const int DefaultEntries = 100;
    private const int MaxEntries = 1000;

    public static void MapAudit(this IEndpointRouteBuilder bridge) => bridge
        .MapGet("/audit", ReadAsync).Produces<IReadOnlyList<AuditEntry>>()
        .Describe(
            "getAudit",
            "The latest changes of tenants, keys, drains, instances, tiers and models, and refused attempts, newest first. A Link header names the next page.",
            400);

    private static async Task<IResult> ReadAsync(
        IAuditStore store, HttpContext context, CancellationToken gone, string? limit, string? since, string? target, string? action, string? before)
    {
        var count = DefaultEntries;
        if (limit is not null && !(int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count is >= 1 and <= MaxEntries))
            return Problem(string.Create(CultureInfo.InvariantCulture, $"limit is not a number from 1 to {MaxEntries}."));
        DateTimeOffset? from = null;
        if (!string.IsNullOrEmpty(since))
        {
            if (!DateTimeOffset.TryParse(since, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
                return Problem("since is not a time such as 2026-01-31T08:00:00Z.");
            from = time;
        }

        var filter = new AuditFilter(count, from, NullIfEmpty(before), NullIfEmpty(target), NullIfEmpty(action));
        var reading = await store.ReadAsync(filter, gone);
        UsageEndpoints.Mark(context.Response, reading.IsPartial);
        if (reading.HasMore)
            context.Response.Headers.Link = $"<{Next(context.Request, reading.Entries[^1].Id)}>; rel=\"next\"";
        return TypedResults.Ok(reading.Entries);
    }

    private static string Next(HttpRequest request, string before)
    {
        var query = request.Query.Where(q => q.Key != nameof(before)).SelectMany(q => q.Value, (q, value) => KeyValuePair.Create(q.Key, value));
        return request.PathBase + request.Path + QueryString.Create(query.Append(KeyValuePair.Create<string, string?>(nameof(before), before)));
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static IResult Problem(string detail) => TypedResults.Problem(detail, statusCode: StatusCodes.Status400BadRequest);
}
