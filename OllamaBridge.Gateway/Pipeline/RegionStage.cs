using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>
/// Confines requests to this region if they came from a peer, so that a request makes at most one hop, or if they change models. Rejects a request
/// that already passed through this region.
/// </summary>
internal sealed class RegionStage(RegionPeers peers, IOptions<RegionOptions> options, ILogger<RegionStage> logger)
{
    private string? Self => options.Value.Self?.Trim() is { Length: > 0 } self ? self : null;

    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        var visited = context.Request.Headers[PeerBridge.Header];
        if (visited.Count == 0)
            return next(context, call.Operation.Kind == OperationKind.Management ? Confine(call) : call);
        if (Self is { } self && HasBeen(self, visited))
        {
            RegionLog.Loop(logger, call.Operation.Name, self);
            return ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status508LoopDetected, $"the request has already passed through region {self}");
        }

        return next(context, Confine(call));
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

    private BridgeCall Confine(BridgeCall call)
    {
        if (peers.Definitions.Count > 0)
            call.Tenant = call.Tenant with { Instances = peers.WithoutPeers(call.Tenant.Instances) };
        return call;
    }
}
