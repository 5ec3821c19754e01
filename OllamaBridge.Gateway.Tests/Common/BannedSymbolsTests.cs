using System.Reflection;
using System.Runtime.CompilerServices;

namespace OllamaBridge.Gateway.Tests.Common;

/// <summary>The analyzer ignores a line of BannedSymbols.txt with an unknown symbol, so a misspelled line would ban nothing.</summary>
public sealed class BannedSymbolsTests
{
    private static readonly string Gateway = Path.Combine(Root(), "OllamaBridge.Gateway");

    public static TheoryData<string> Symbols => [.. File.ReadLines(Path.Combine(Gateway, "BannedSymbols.txt")).Where(l => l.Length > 0).Select(l => l.Split(';')[0])];

    [Theory]
    [MemberData(nameof(Symbols))]
    public void Symbol_InList_Exists(string id)
    {
        var name = id[2..];
        var arguments = name.Contains('(', StringComparison.Ordinal) ? name[(name.IndexOf('(', StringComparison.Ordinal) + 1)..^1].Split(',') : [];
        name = name.Split('(')[0];
        if (id.StartsWith("T:", StringComparison.Ordinal))
        {
            Assert.NotNull(Find(name));
            return;
        }

        var type = Find(name[..name.LastIndexOf('.')]);
        Assert.NotNull(type);
        var member = name[(name.LastIndexOf('.') + 1)..];
        if (id.StartsWith("P:", StringComparison.Ordinal))
            Assert.NotNull(type.GetProperty(member));
        else
            Assert.Contains(
                member == "#ctor" ? type.GetConstructors() : type.GetMethods().Where(m => m.Name == member).Cast<MethodBase>(),
                m => m.GetParameters().Select(p => p.ParameterType.FullName).SequenceEqual(arguments));
    }

    [Fact]
    public void Project_Build_UsesListAndAnalyzer()
    {
        var project = File.ReadAllText(Path.Combine(Gateway, "OllamaBridge.Gateway.csproj"));
        Assert.Contains("<AdditionalFiles Include=\"BannedSymbols.txt\" />", project, StringComparison.Ordinal);
        Assert.Contains("Microsoft.CodeAnalysis.BannedApiAnalyzers", project, StringComparison.Ordinal);
    }

    [Fact]
    public void List_Content_BansWallClock() =>
        Assert.Superset(
            new HashSet<string> { "M:System.TimeProvider.GetUtcNow", "P:System.DateTimeOffset.UtcNow", "P:System.DateTime.UtcNow" },
            Symbols.Select(row => row.Data).ToHashSet());

    private static Type? Find(string name) =>
        Type.GetType(name) ?? AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetType(name)).FirstOrDefault(t => t is not null)
        ?? Assembly.Load("System.Diagnostics.Process").GetType(name) ?? typeof(System.Diagnostics.Stopwatch).Assembly.GetType(name);

    private static string Root([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", ".."));
}
