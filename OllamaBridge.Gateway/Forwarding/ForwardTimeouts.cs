using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Settings;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Selects an instance's longest silence by its current work.</summary>
internal sealed class ForwardTimeouts(IOptions<ForwardingOptions> options)
{
    private readonly Derived<ForwardingOptions, Configs> _configs = new(
        options, static o => new Configs(Config(o.WarmFirstByte), Config(o.ColdFirstByte), Config(o.WholeAnswer), Config(o.Lookup), Config(o.Management)));

    public ForwarderRequestConfig For(ForwardedCall call, InstanceLease lease) => call.Operation.Kind switch
    {
        OperationKind.Management => _configs.Value.Management,
        OperationKind.Lookup => _configs.Value.Lookup,
        _ when !call.Streams => _configs.Value.Whole,
        _ => lease.WasLoaded ? _configs.Value.Warm : _configs.Value.Cold,
    };

    private static ForwarderRequestConfig Config(TimeSpan silence) => new()
    {
        ActivityTimeout = silence,
        Version = HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private sealed record Configs(
        ForwarderRequestConfig Warm, ForwarderRequestConfig Cold, ForwarderRequestConfig Whole, ForwarderRequestConfig Lookup, ForwarderRequestConfig Management);
}
