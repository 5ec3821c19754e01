using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>How long an instance may be silent, by what it is doing.</summary>
internal sealed class ForwardTimeouts(IOptions<ForwardingOptions> options)
{
    private readonly ForwarderRequestConfig _warm = Config(options.Value.WarmFirstByte);
    private readonly ForwarderRequestConfig _cold = Config(options.Value.ColdFirstByte);
    private readonly ForwarderRequestConfig _whole = Config(options.Value.WholeAnswer);
    private readonly ForwarderRequestConfig _lookup = Config(options.Value.Lookup);
    private readonly ForwarderRequestConfig _management = Config(options.Value.Management);

    /// <summary>The forwarder's settings for one sending.</summary>
    public ForwarderRequestConfig For(BridgeCall call, InstanceLease lease) => call.Operation.Kind switch
    {
        OperationKind.Management => _management,
        OperationKind.Lookup => _lookup,
        _ when !(call.Facts.Stream ?? call.Operation.StreamsByDefault) => _whole,
        _ => lease.WasLoaded ? _warm : _cold,
    };

    private static ForwarderRequestConfig Config(TimeSpan silence) => new()
    {
        ActivityTimeout = silence,
        Version = HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };
}
