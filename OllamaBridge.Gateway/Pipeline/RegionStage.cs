using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Confines requests to this region if they came from a peer (at most one hop) or change models; rejects one that already passed through it.</summary>
internal sealed class RegionStage(RegionPeers peers, IOptions<RegionOptions> options, ILogger<RegionStage> logger) : IRequestStage
{
    private string? Self => options.Value.Self?.Trim() is { Length: > 0 } self ? self : null;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        var visited = context.Request.Headers[PeerBridge.Header];
        if (visited.Count > 0 && Self is { } self && HasBeen(self, visited))
        {
            RegionLog.Loop(logger, operation.Name, self);
            return ProtocolError.WriteAsync(
                context, operation.Protocol, StatusCodes.Status508LoopDetected, $"the request has already passed through region {self}");
        }

        var tenant = context.Features.GetRequiredFeature<TenantFeature>().Tenant;
        if ((visited.Count > 0 || operation.Kind == OperationKind.Management) && peers.Definitions.Count > 0)
            tenant = tenant with { Instances = peers.WithoutPeers(tenant.Instances) };
        context.Features.Set(new ConfinedTenantFeature(tenant));
        return next(context);
    }

    /// <summary>Whether a region is in the values of <see cref="PeerBridge.Header"/>, ignoring case.</summary>
    internal static bool HasBeen(string region, Microsoft.Extensions.Primitives.StringValues visited)
    {
        foreach (var value in visited)
            foreach (var name in (value ?? "").Split(',', StringSplitOptions.TrimEntries))
                if (string.Equals(name, region, StringComparison.OrdinalIgnoreCase))
                    return true;
        return false;
    }
}
