using System.Text.RegularExpressions;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>Finds tests in the sources of all test projects.</summary>
internal static partial class TestSources
{
    private static readonly Lazy<ILookup<string, TestClass>> Classes = new(() => Directory.EnumerateDirectories(RepositoryFiles.PathOf(""), "OllamaBridge.*Tests")
        .SelectMany(project => Directory.EnumerateFiles(project, "*Tests.cs", SearchOption.AllDirectories).Concat(Directory.EnumerateFiles(project, "*Contract.cs", SearchOption.AllDirectories)))
        .SelectMany(file => Read(File.ReadAllText(file))).ToLookup(c => c.Name));

    /// <summary>Whether a class, or one of its base classes, has a test method.</summary>
    public static bool Has(string type, string method) =>
        Classes.Value[type].Any(c => c.Tests.Contains(method) || (c.Base.Length > 0 && Has(c.Base, method)));

    /// <summary>Reads the classes of a file; each class ends where the next one begins.</summary>
    private static IEnumerable<TestClass> Read(string source)
    {
        var heads = ClassHead().Matches(source);
        for (var i = 0; i < heads.Count; i++)
        {
            var body = source[heads[i].Index..(i + 1 < heads.Count ? heads[i + 1].Index : source.Length)];
            yield return new TestClass(heads[i].Groups[1].Value, heads[i].Groups[2].Value, TestMethod().Matches(body).Select(m => m.Groups[1].Value).ToHashSet());
        }
    }

    [GeneratedRegex(@"^(?:public|internal) (?:\w+ )*class (\w+)(?:\([^)]*\))?(?: : (\w+))?", RegexOptions.Multiline)]
    private static partial Regex ClassHead();

    /// <summary>A public method after attributes, one of which makes it a test.</summary>
    [GeneratedRegex(@"^    \[(?:Fact|Theory)\b.*\n(?:    [\[ /].*\n)*?    public (?:async )?[\w<>]+ (\w+)\(", RegexOptions.Multiline)]
    private static partial Regex TestMethod();

    private sealed record TestClass(string Name, string Base, IReadOnlySet<string> Tests);
}
