using System.Reflection;

namespace OllamaBridge.Tests;

/// <summary>Whether Aspire's orchestrator and dashboard are on this machine: they come as packages with programs for each platform.</summary>
internal static class Orchestrator
{
    // Below this a file is no program but the stand-in of a package that was built without one.
    private const long SmallestProgram = 64 * 1024;

    /// <summary>Why nothing can be started here; null where it can.</summary>
    public static string? Missing { get; } = Look("dcpclipath", "the orchestrator (DCP)") ?? Look("aspiredashboardpath", "the dashboard");

    private static string? Look(string key, string what)
    {
        var path = typeof(OllamaBridge.AppHost.FleetSettings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .FirstOrDefault(a => string.Equals(a.Key, key, StringComparison.OrdinalIgnoreCase))?.Value;
        return path is not null && File.Exists(path) && new FileInfo(path).Length >= SmallestProgram
            ? null
            : $"{what} is not on this machine: {path ?? "no package brought it"}";
    }
}
