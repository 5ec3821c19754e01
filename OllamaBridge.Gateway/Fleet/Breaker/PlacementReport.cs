namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>A model on an instance that is, or was, not simply used, for whoever watches.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Model">The model's canonical name.</param>
/// <param name="Condition">How it may be used.</param>
/// <param name="Left">How long at most that stays so, in ticks of the clock; 0 where time alone does not change it.</param>
internal readonly record struct PlacementReport(string Instance, string Model, PlacementCondition Condition, long Left)
{
    /// <summary>Those of an instance that are not steady.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="now">The moment.</param>
    public static IEnumerable<PlacementReport> Of(Instance instance, long now) => All(instance, now).Where(r => r.Condition != PlacementCondition.Steady);

    /// <summary>Those of all instances that ever were not steady: few series, and none that ends with a wrong last value.</summary>
    /// <param name="fleet">The fleet.</param>
    /// <param name="now">The moment.</param>
    public static IEnumerable<PlacementReport> All(FleetSnapshot fleet, long now) => fleet.Instances.SelectMany(v => All(v.Instance, now));

    private static List<PlacementReport> All(Instance instance, long now)
    {
        var reports = new List<PlacementReport>();
        foreach (var placement in instance.Placements)
            if (placement.Guard is { WasRestricted: true } guard)
                reports.Add(new PlacementReport(instance.Name, placement.Model.Key, guard.ConditionAt(now), guard.Left(now)));
        return reports;
    }
}
