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
    private readonly int _used;

    /// <param name="report">What it said.</param>
    /// <param name="used">How many requests of this region it certainly held then: all others count as still to arrive.</param>
    public PeerLoad(RegionReport report, int used)
    {
        _used = used;
        var models = new Dictionary<string, RegionModel>(StringComparer.Ordinal);
        foreach (var model in report.Models)
            models[ModelName.KeyOf(model.Name)] = model;
        _models = models.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Whether it has an instance that can be given work for a model, now or later.</summary>
    public bool CanServe(string model) => _models.TryGetValue(model, out var known) && known.Instances > 0;

    /// <summary>How many requests of this region it may hold, one for this model included: none while others wait there for it.</summary>
    /// <remarks>What of ours ends makes room only once the peer has said so: its own requests were there first.</remarks>
    public int Limit(string model) =>
        _models.TryGetValue(model, out var known) && known.Waiting == 0 ? (int)Math.Min(int.MaxValue, (long)_used + Math.Max(0, known.Free)) : 0;

    /// <summary>The same for one of several gateways that share the peer's slots here: its part of what is free, at least one.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="allowance">How many of the slots this gateway may use.</param>
    /// <param name="slots">How many there are.</param>
    public int Limit(string model, int allowance, int slots)
    {
        var free = Limit(model) - _used;
        if (free <= 0 || allowance >= slots)
            return Math.Max(0, free + _used);
        return _used + (int)Math.Max(1, (long)free * Math.Max(0, allowance) / slots);
    }
}
