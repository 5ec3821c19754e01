using System.Reflection;

namespace OllamaBridge.Tests;

/// <summary>Aspire's orchestrator and dashboard, which come as NuGet packages with programs for each platform.</summary>
internal static class Orchestrator
{
    // A smaller file is a placeholder from a package that was built without the program.
    private const long SmallestProgram = 64 * 1024;

    /// <summary>The reason why the application cannot start on this machine; null if it can.</summary>
    public static string? Missing { get; } = Look("dcpclipath", "the orchestrator (DCP)") ?? Look("aspiredashboardpath", "the dashboard");

    private static string? Look(string key, string what)
    {
        var path = typeof(OllamaBridge.AppHost.FleetSettings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .FirstOrDefault(a => string.Equals(a.Key, key, StringComparison.OrdinalIgnoreCase))?.Value;
        return path is not null && File.Exists(path) && new FileInfo(path).Length >= SmallestProgram
            ? null
            : $"{what} is not on this machine: {path ?? "not found in any package"}";
    }
}
