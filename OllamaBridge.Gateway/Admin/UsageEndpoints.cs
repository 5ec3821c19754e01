using System.Globalization;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The usage sums and the records of ended requests.</summary>
internal static class UsageEndpoints
{
    private const int DefaultRecords = 100;
    private const int MaxRecords = 10_000;
    private const string DayFormat = "yyyy-MM-dd";
    private const string PartialHeader = "X-Bridge-Partial";

    public static void MapUsage(this IEndpointRouteBuilder bridge)
    {
        bridge.MapGet("/usage", UsageAsync).Produces<UsageReport>()
            .Describe("getUsage", "Usage by tenant, model and day.", 400);
        bridge.MapGet("/ledger", async (ILedger ledger, HttpResponse response, CancellationToken gone, int? limit) =>
        {
            var records = await ledger.LatestAsync(Math.Clamp(limit ?? DefaultRecords, 0, MaxRecords), gone);
            Mark(response, records.IsPartial);
            return TypedResults.Ok(records.Items);
        }).Describe("getLedger", "The latest requests that have ended, newest first.");
    }

    private static async Task<IResult> UsageAsync(ILedger ledger, HttpResponse response, string? tenant, string? model, string? day, CancellationToken gone)
    {
        DateOnly? date = null;
        if (!string.IsNullOrEmpty(day))
        {
            if (!DateOnly.TryParseExact(day, DayFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out var parsed))
                return TypedResults.Problem("day must be a date such as 2026-01-31.", statusCode: StatusCodes.Status400BadRequest);
            date = parsed;
        }

        // As in requests: with or without its tag.
        var key = string.IsNullOrEmpty(model) ? null : ModelReference.KeyOf(model);
        if (model == Telemetry.TelemetryNames.OtherModel)
            key = model;
        var (entries, partial) = await ledger.UsageAsync(new UsageFilter(string.IsNullOrEmpty(tenant) ? null : tenant, key, date), gone);
        Mark(response, partial);
        return TypedResults.Ok(new UsageReport(
            partial,
            entries.Aggregate(default(UsageSum), (sum, e) => sum + e.Sum),
            Sum(entries, e => e.Tenant),
            Sum(entries, e => e.Model),
            Sum(entries, e => Text(e.Day)),
            [.. entries.Select(e => new UsageRow(
                Text(e.Day), e.Tenant, e.Model, e.Sum.Requests, e.Sum.Succeeded, e.Sum.InputTokens, e.Sum.OutputTokens))]));
    }

    /// <summary>Marks a response that covers only this gateway by a header, since a list has no field for it.</summary>
    internal static void Mark(HttpResponse response, bool partial)
    {
        if (partial)
            response.Headers[PartialHeader] = "true";
    }

    private static Dictionary<string, UsageSum> Sum(IReadOnlyList<UsageEntry> entries, Func<UsageEntry, string> by) => entries
        .GroupBy(by, StringComparer.Ordinal)
        .ToDictionary(g => g.Key, g => g.Aggregate(default(UsageSum), (sum, e) => sum + e.Sum), StringComparer.Ordinal);

    private static string Text(DateOnly day) => day.ToString(DayFormat, CultureInfo.InvariantCulture);
}
