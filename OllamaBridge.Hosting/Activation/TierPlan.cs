namespace OllamaBridge.Hosting;

/// <summary>Decides which instances of a tier start or stop so that the requested number runs.</summary>
internal static class TierPlan
{
    /// <summary>The first stopped instances start; the last running ones stop.</summary>
    /// <param name="instances">The tier's instances in order, and whether each runs or is starting.</param>
    /// <param name="requested">The number of instances that shall run.</param>
    public static (IReadOnlyList<string> Start, IReadOnlyList<string> Stop) Of(IReadOnlyList<(string Name, bool IsRunning)> instances, int requested)
    {
        var running = instances.Where(i => i.IsRunning).Select(i => i.Name).ToList();
        var missing = Math.Max(0, requested - running.Count);
        return ([.. instances.Where(i => !i.IsRunning).Select(i => i.Name).Take(missing)], [.. running.Skip(requested)]);
    }
}
