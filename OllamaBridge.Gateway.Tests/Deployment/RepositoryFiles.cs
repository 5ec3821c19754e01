using System.Runtime.CompilerServices;

namespace OllamaBridge.Gateway.Tests.Deployment;

/// <summary>Files of the repository that are no code, read where they lie.</summary>
internal static class RepositoryFiles
{
    private static readonly string Root = FindRoot();

    public static string PathOf(string file) => Path.Combine(Root, file);

    public static string Read(string file) => File.ReadAllText(PathOf(file));

    private static string FindRoot([CallerFilePath] string here = "")
    {
        // Beside the sources where they are; else, for an output that was moved, above it.
        foreach (var start in new[] { Path.GetDirectoryName(here), AppContext.BaseDirectory })
            for (var folder = start; folder is not null; folder = Path.GetDirectoryName(folder))
                if (File.Exists(Path.Combine(folder, "OllamaBridge.sln")))
                    return folder;
        throw new DirectoryNotFoundException("OllamaBridge.sln is nowhere above the tests.");
    }
}
