using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The endpoint for bridges of other regions: <c>/bridge/region</c>.</summary>
internal static class RegionEndpoints
{
    /// <summary>Maps the endpoint outside the operators' group: it requires access to models, and reports only models that the tenant may use.</summary>
    public static void MapRegion(this IEndpointRouteBuilder app, RequestAuthenticator identity) =>
        app.MapGet(PeerBridge.Path, async (HttpContext context, RegionReports reports) =>
        {
            var (tenant, status) = await identity.AuthorizeCallerAsync(context);
            return tenant is not null ? TypedResults.Ok(reports.For(tenant)) : AdminEndpoints.Refuse(status);
        }).Produces<RegionReport>()
            .Describe("getRegion", "Free capacity of this bridge's own instances, for bridges of other regions. Requires the scope Inference.");
}
