using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>Peer regions and the spill-over to them: section <c>Bridge:Regions</c>.</summary>
internal sealed record RegionOptions
{
    public const string Section = "Bridge:Regions";

    /// <summary>This region's name: the same for all gateways of a region, unique among regions. Required if there are peers.</summary>
    public string? Self { get; init; }

    public IList<PeerOptions> Peers { get; init; } = [];

    /// <summary>Time that a request waits for a local slot before it may spill over to a peer; 0 to spill over at once.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SpillAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The same for a later turn of a conversation of this region, because local instances may still have its prompt in their cache.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan ConversationSpillAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Time after its last turn for which a conversation stays assigned to a peer.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan ConversationMemory { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Maximum number of conversations that are assigned to peers; the least recently used are evicted.</summary>
    [Range(1, 10_000_000)]
    public int MaxConversations { get; init; } = 100_000;

    /// <summary>Interval between probes of a peer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The bridge of another region: section <c>Bridge:Regions:Peers:N</c>.</summary>
internal sealed record PeerOptions
{
    /// <summary>The peer's own <see cref="RegionOptions.Self"/>, and the name of its instance in this fleet.</summary>
    public string? Name { get; init; }

    public string? Url { get; init; }

    /// <summary>API key of the peer with the scope Inference, sent only to that peer.</summary>
    public string? ApiKey { get; init; }

    /// <summary>TLS to the bridge, if its address has https.</summary>
    public InstanceTlsOptions Tls { get; init; } = new();

    /// <summary>Maximum number of concurrent requests to the peer, regardless of its free slots.</summary>
    public int Slots { get; init; } = 16;
}

[OptionsValidator]
internal sealed partial class RegionOptionsValidator : IValidateOptions<RegionOptions>;

/// <summary>Validates the list of peers at startup and reports all errors together.</summary>
internal sealed class PeerListValidator : IValidateOptions<RegionOptions>
{
    public ValidateOptionsResult Validate(string? name, RegionOptions options)
    {
        var errors = new List<string>();
        RegionPeers.Read(options, errors);
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors.Select(e => $"{RegionOptions.Section}:{e}"));
    }
}
