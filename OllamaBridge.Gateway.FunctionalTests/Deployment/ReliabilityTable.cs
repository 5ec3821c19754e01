namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>A row of the table of faults in <c>docs/reliability.md</c>.</summary>
/// <param name="Fault">The fault.</param>
/// <param name="Cells">The routes, each with whether the answer is streamed.</param>
/// <param name="Sees">The client's view.</param>
/// <param name="After">How long that takes.</param>
/// <param name="Tests">The tests, as <c>Class.Method</c>.</param>
internal sealed record ReliabilityRow(string Fault, IReadOnlyList<(string Route, bool IsStreamed)> Cells, string Sees, string After, IReadOnlyList<string> Tests);

/// <summary>Reads the table.</summary>
internal static class ReliabilityTable
{
    private static readonly string[] Resumable = ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages"];
    private static readonly string[] Generation = [.. Resumable, "/v1/responses"];
    private static readonly string[] Embeddings = ["/api/embed", "/api/embeddings", "/v1/embeddings"];
    private static readonly string[] Management = ["/api/pull", "/api/create", "/api/copy", "/api/delete", "/api/show", "/api/blobs"];

    /// <summary>Every inference route, streamed and not, as far as it streams.</summary>
    public static IReadOnlyList<(string Route, bool IsStreamed)> Inference { get; } =
        [.. Generation.Select(r => (r, true)), .. Generation.Concat(Embeddings).Select(r => (r, false))];

    /// <summary>Reads the rows of the section <c>Faults</c>.</summary>
    public static IReadOnlyList<ReliabilityRow> Read(string markdown) =>
    [
        .. markdown.Split("\n## ").Single(s => s.StartsWith("Faults\n", StringComparison.Ordinal)).Split('\n')
            .Where(l => l.StartsWith('|')).Skip(2).Select(l => l.Trim().Trim('|').Split(" | ", StringSplitOptions.TrimEntries)).Select(Row),
    ];

    /// <summary>Whether a test exists in one of the test projects.</summary>
    /// <param name="name"><c>Class.Method</c>.</param>
    public static bool Exists(string name) => name.Split('.') is [var type, var method] && TestSources.Has(type, method);

    private static ReliabilityRow Row(string[] cells)
    {
        Assert.Equal(6, cells.Length);
        var isStreamed = cells[2] switch { "yes" => new[] { true }, "no" => [false], "both" => [true, false], var other => throw new FormatException(other) };
        var routes = Routes(cells[1]);
        return new ReliabilityRow(
            cells[0],
            [.. from route in routes from streamed in isStreamed where !streamed || !Embeddings.Contains(route) select (route, streamed)],
            cells[3],
            cells[4],
            [.. cells[5].Split(',', StringSplitOptions.TrimEntries).Select(t => t.Trim('`'))]);
    }

    private static IEnumerable<string> Routes(string cell) => cell switch
    {
        "resumable" => Resumable,
        "generation" => Generation,
        "inference" => [.. Generation, .. Embeddings],
        "management" => Management,
        "every route" => [.. Generation, .. Embeddings, .. Management],
        _ => cell.Split(',', StringSplitOptions.TrimEntries).Select(r => r is ['`', '/', .., '`'] ? r.Trim('`') : throw new FormatException($"no route: {r}")),
    };
}
