using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Admin;

/// <summary>What bridges of other regions ask: <c>/bridge/region</c>.</summary>
internal static class RegionEndpoints
{
    /// <summary>Maps the endpoint. Who may ask this bridge's models may ask it, too: it tells of those models and no others.</summary>
    /// <param name="app">Not the operator's group: another region's key is none of an operator.</param>
    /// <param name="identity">Knows whose a key is.</param>
    public static void MapRegion(this IEndpointRouteBuilder app, IdentityStage identity) =>
        app.MapGet(PeerBridge.Path, async (HttpContext context, RegionReports reports) =>
        {
            var (tenant, status) = await identity.AuthorizeCallerAsync(context);
            return tenant is not null ? TypedResults.Ok(reports.For(tenant)) : AdminEndpoints.Refuse(status);
        }).Produces<RegionReport>().Describe("getRegion", "What room this bridge's own instances have, for bridges of other regions. For callers that may ask models.");
}
