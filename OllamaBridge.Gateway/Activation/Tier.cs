using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>One tier as configured.</summary>
/// <param name="Cold">What the fleet and the queue know of it.</param>
/// <param name="Options">Its settings.</param>
internal sealed record Tier(ColdTier Cold, TierOptions Options)
{
    /// <summary>What operators call it.</summary>
    public string Name => Cold.Name;

    /// <summary>Its instances, as far as there are any.</summary>
    public IEnumerable<InstanceView> InstancesOf(FleetSnapshot fleet) => fleet.Instances.Where(v => Cold.Owns(v.Instance.Name));

    /// <summary>Not what it was configured with: there may be a key in it.</summary>
    public override string ToString() => Name;
}
