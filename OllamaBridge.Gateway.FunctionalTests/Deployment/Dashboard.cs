using System.Text.Json.Nodes;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>A panel or a row title, with its place in Grafana's grid. A row has no queries.</summary>
internal sealed record DashboardPanel(int Id, string Title, bool IsRow, (int X, int Y, int Width, int Height) Place, IReadOnlyList<string> Queries);

/// <summary>The dashboard of <c>deploy/grafana</c>.</summary>
internal static class Dashboard
{
    private static readonly JsonNode Root = JsonNode.Parse(RepositoryFiles.Read("deploy/grafana/ollamabridge.json"))!;

    public static IReadOnlyList<DashboardPanel> Panels { get; } = [.. Root["panels"]!.AsArray().Select(Panel)];

    /// <summary>The dashboard's variables: name and query.</summary>
    public static IReadOnlyList<(string Name, string Query)> Variables { get; } =
        [.. Root["templating"]!["list"]!.AsArray().Select(v => ((string)v!["name"]!, (string)v["query"]!["query"]!))];

    private static DashboardPanel Panel(JsonNode? panel)
    {
        var place = panel!["gridPos"]!;
        return new DashboardPanel(
            (int)panel["id"]!,
            (string)panel["title"]!,
            (string)panel["type"]! == "row",
            ((int)place["x"]!, (int)place["y"]!, (int)place["w"]!, (int)place["h"]!),
            [.. panel["targets"]?.AsArray().Select(t => (string)t!["expr"]!) ?? []]);
    }
}
