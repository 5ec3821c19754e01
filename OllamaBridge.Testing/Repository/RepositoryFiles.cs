using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace OllamaBridge.Testing.Repository;

/// <summary>Reads files of the repository that are not code.</summary>
internal static partial class RepositoryFiles
{
    private static readonly string Root = FindRoot();

    /// <summary>The README and all pages of the documentation, except decisions.</summary>
    public static IReadOnlyList<string> Pages =>
    [
        "README.md",
        .. Directory.EnumerateFiles(PathOf("docs"), "*.md", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Root, f))
            .Where(f => !f.StartsWith(Path.Combine("docs", "adr"), StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    public static string PathOf(string file) => Path.Combine(Root, file);

    public static string Read(string file) => File.ReadAllText(PathOf(file));

    /// <summary>The version of the newest release in the changelog.</summary>
    public static string NewestRelease() => ReleaseHeading().Match(Read("CHANGELOG.md")).Groups[1].Value;

    [GeneratedRegex(@"^## (\d+\.\d+\.\d+)", RegexOptions.Multiline)]
    private static partial Regex ReleaseHeading();

    private static string FindRoot([CallerFilePath] string here = "")
    {
        // Next to the sources if they exist; otherwise, for a moved build output, above the output.
        foreach (var start in new[] { Path.GetDirectoryName(here), AppContext.BaseDirectory })
            for (var folder = start; folder is not null; folder = Path.GetDirectoryName(folder))
                if (File.Exists(Path.Combine(folder, "OllamaBridge.sln")))
                    return folder;
        throw new DirectoryNotFoundException("No folder above the tests contains OllamaBridge.sln.");
    }
}
