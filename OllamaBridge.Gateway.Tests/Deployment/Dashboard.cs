using System.Text.Json.Nodes;

namespace OllamaBridge.Gateway.Tests.Deployment;

/// <summary>One panel, or a row's title.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Title">What it shows.</param>
/// <param name="IsRow">A row has no queries.</param>
/// <param name="Place">Where it is, in Grafana's grid.</param>
/// <param name="Queries">What it asks Prometheus.</param>
internal sealed record DashboardPanel(int Id, string Title, bool IsRow, (int X, int Y, int Width, int Height) Place, IReadOnlyList<string> Queries);

/// <summary>The dashboard of <c>deploy/grafana</c>.</summary>
internal static class Dashboard
{
    private static readonly JsonNode Root = JsonNode.Parse(RepositoryFiles.Read("deploy/grafana/ollamabridge.json"))!;

    public static IReadOnlyList<DashboardPanel> Panels { get; } = [.. Root["panels"]!.AsArray().Select(Panel)];

    /// <summary>Its variables: name and query.</summary>
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
