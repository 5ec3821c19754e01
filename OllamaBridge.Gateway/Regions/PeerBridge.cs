using System.Collections.Frozen;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Regions;

/// <summary>What makes an instance the bridge of another region. Compared by value.</summary>
/// <param name="Self">What this region is called: the peer learns where a request has been.</param>
/// <param name="PollInterval">Time between two looks at it.</param>
internal sealed record PeerBridge(string Self, TimeSpan PollInterval)
{
    /// <summary>Names the regions in which a request has been, separated by commas. Whoever sends it only limits himself.</summary>
    public const string Header = "X-Bridge-Regions";

    /// <summary>Where a bridge tells about its own instances.</summary>
    public const string Path = "/bridge/region";
}

/// <summary>What room a peer had when it was last asked. Immutable.</summary>
internal sealed class PeerLoad
{
    private readonly FrozenDictionary<string, RegionModel> _models;

    /// <param name="report">What it said.</param>
    public PeerLoad(RegionReport report)
    {
        var models = new Dictionary<string, RegionModel>(StringComparer.Ordinal);
        foreach (var model in report.Models)
            models[ModelName.KeyOf(model.Name)] = model;
        _models = models.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Whether it has an instance that can be given work for a model, now or later.</summary>
    public bool CanServe(string model) => _models.TryGetValue(model, out var known) && known.Instances > 0;

    /// <summary>How many requests for a model this gateway may add to those that the peer has counted: none while others wait there for it.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="allowance">How many of the peer's slots this gateway may use.</param>
    /// <param name="slots">How many there are; of several gateways each has its part of the room, at least one.</param>
    public int Room(string model, int allowance, int slots)
    {
        if (!_models.TryGetValue(model, out var known) || known is not { Waiting: 0, Free: > 0 })
            return 0;
        return allowance >= slots ? known.Free : (int)Math.Max(1, (long)known.Free * Math.Max(0, allowance) / slots);
    }
}
