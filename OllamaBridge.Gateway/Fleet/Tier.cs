namespace OllamaBridge.Gateway.Fleet;

internal sealed record Tier(ColdTier Cold, TierOptions Options)
{
    public string Name => Cold.Name;

    public IEnumerable<InstanceView> InstancesOf(FleetSnapshot fleet) => fleet.Instances.Where(v => Cold.Owns(v.Instance.Name));

    /// <summary>Omits the options because they may include a key.</summary>
    public override string ToString() => Name;
}
