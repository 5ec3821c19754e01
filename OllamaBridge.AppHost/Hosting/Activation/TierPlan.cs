namespace OllamaBridge.Hosting;

/// <summary>Which instances of a tier are to be started or stopped so that a number of them runs.</summary>
internal static class TierPlan
{
    /// <summary>The first that stand are started, the last that run are stopped.</summary>
    /// <param name="instances">The tier's instances in their order, and whether each runs or is about to.</param>
    /// <param name="wanted">How many are to run.</param>
    public static (IReadOnlyList<string> Start, IReadOnlyList<string> Stop) Of(IReadOnlyList<(string Name, bool Runs)> instances, int wanted)
    {
        var running = instances.Where(i => i.Runs).Select(i => i.Name).ToList();
        var missing = Math.Max(0, wanted - running.Count);
        return ([.. instances.Where(i => !i.Runs).Select(i => i.Name).Take(missing)], [.. running.Skip(wanted)]);
    }
}
