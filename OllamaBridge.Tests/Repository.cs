namespace OllamaBridge.Tests;

/// <summary>Where the sources are.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    /// <summary>The configuration that the tests were built in, <c>Release</c> or <c>Debug</c>.</summary>
    public static string Configuration { get; } = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!;

    private static string Find(string folder) =>
        File.Exists(Path.Combine(folder, "OllamaBridge.sln")) ? folder : Find(Path.GetDirectoryName(folder)!);
}
