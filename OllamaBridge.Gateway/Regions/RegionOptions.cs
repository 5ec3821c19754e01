using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Regions;

/// <summary>Bridges of other regions, and when they are asked: section <c>Bridge:Regions</c>.</summary>
internal sealed record RegionOptions
{
    public const string Section = "Bridge:Regions";

    /// <summary>What this region is called; every bridge has its own, and those of one region the same. Needed where there are peers.</summary>
    public string? Self { get; init; }

    /// <summary>The other regions' bridges.</summary>
    public IList<PeerOptions> Peers { get; init; } = [];

    /// <summary>How long a request waits for a slot here before a peer may have it; 0 for not at all.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SpillAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The same for a later turn of a conversation that is at home here, whose prompt instances here may still know.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan ConversationSpillAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long after its last turn it is known that a conversation is at home with a peer.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan ConversationMemory { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Conversations at home with peers that are known at once; the oldest are forgotten.</summary>
    [Range(1, 10_000_000)]
    public int MaxConversations { get; init; } = 100_000;

    /// <summary>Time between two looks at a peer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The bridge of another region: section <c>Bridge:Regions:Peers:N</c>.</summary>
internal sealed record PeerOptions
{
    /// <summary>What that region calls itself; the name of the instance that it is here.</summary>
    public string? Name { get; init; }

    /// <summary>Its address.</summary>
    public string? Url { get; init; }

    /// <summary>A key that it wants of this bridge, with the scope Inference; sent to it and to nobody else.</summary>
    public string? ApiKey { get; init; }

    /// <summary>TLS to the bridge, if its address has https.</summary>
    public InstanceTlsOptions Tls { get; init; } = new();

    /// <summary>The most requests that it is given at once, whatever room it has.</summary>
    public int Slots { get; init; } = 16;
}

[OptionsValidator]
internal sealed partial class RegionOptionsValidator : IValidateOptions<RegionOptions>;

/// <summary>Reports every mistake in the list of peers when the service starts.</summary>
internal sealed class PeerListValidator : IValidateOptions<RegionOptions>
{
    public ValidateOptionsResult Validate(string? name, RegionOptions options)
    {
        var errors = new List<string>();
        RegionPeers.Read(options, errors);
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors.Select(e => $"{RegionOptions.Section}:{e}"));
    }
}
