using System.Collections.Frozen;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>The capacity of a peer at its last probe. Immutable.</summary>
internal sealed class PeerLoad
{
    private readonly FrozenDictionary<string, RegionModel> _models;

    public PeerLoad(RegionReport report)
    {
        var models = new Dictionary<string, RegionModel>(StringComparer.Ordinal);
        foreach (var model in report.Models)
            models[ModelName.KeyOf(model.Name)] = model;
        _models = models.ToFrozenDictionary(StringComparer.Ordinal);
    }

    public bool CanServe(string model) => _models.TryGetValue(model, out var known) && known.Instances > 0;

    /// <summary>Number of requests for a model that this gateway may add to those in the report; 0 while requests wait for the model at the peer.</summary>
    /// <remarks>Gateways divide the peer's free slots in proportion to their allowances; each gets at least one.</remarks>
    public int Room(string model, int allowance, int slots)
    {
        if (!_models.TryGetValue(model, out var known) || known is not { Waiting: 0, Free: > 0 })
            return 0;
        return allowance >= slots ? known.Free : (int)Math.Max(1, (long)known.Free * Math.Max(0, allowance) / slots);
    }
}
