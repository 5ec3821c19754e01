namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The condition of a placement that is or was restricted. <see cref="Left"/> is in ticks; 0 if it does not change by time alone.</summary>
internal readonly record struct PlacementReport(string Instance, string Model, PlacementCondition Condition, long Left)
{
    public static IEnumerable<PlacementReport> Of(Instance instance, long now) => All(instance, now).Where(r => r.Condition != PlacementCondition.Steady);

    /// <summary>The placements of all instances that were ever restricted: few series, and none of them ends with a wrong last value.</summary>
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
