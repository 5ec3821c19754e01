using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Regions;

/// <summary>
/// Keeps in this region what must not leave it: requests that come from another, so that none ever goes further than one hop, and changes to
/// the models. Refuses a request that was here before.
/// </summary>
internal sealed class RegionStage(RegionPeers peers, IOptions<RegionOptions> options, ILogger<RegionStage> logger)
{
    private string? Self => options.Value.Self?.Trim() is { Length: > 0 } self ? self : null;

    /// <summary>Handles one request.</summary>
    public Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        var visited = context.Request.Headers[PeerBridge.Header];
        if (visited.Count == 0)
            return next(context, call.Operation.Kind == OperationKind.Management ? Confine(call) : call);
        if (Self is { } self && HasBeen(self, visited))
        {
            RegionLog.Loop(logger, call.Operation.Name, self);
            return ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status508LoopDetected, $"the request has been in region {self} before");
        }

        return next(context, Confine(call));
    }

    /// <summary>Whether a region is among those that a request has been in.</summary>
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
            call.Tenant = call.Tenant with { Instances = peers.Here(call.Tenant.Instances) };
        return call;
    }
}
