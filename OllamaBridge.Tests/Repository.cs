namespace OllamaBridge.Tests;

/// <summary>The location of the sources.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    /// <summary>The build configuration of the tests, <c>Release</c> or <c>Debug</c>.</summary>
    public static string Configuration { get; } = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!;

    private static string Find(string folder) =>
        File.Exists(Path.Combine(folder, "OllamaBridge.sln")) ? folder : Find(Path.GetDirectoryName(folder)!);
}
