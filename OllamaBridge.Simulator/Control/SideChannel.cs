using System.Text.Json;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Control;

/// <summary>
/// Paths under /__sim, which no Ollama server has: POST and DELETE /__sim/faults, GET /__sim/stats, POST /__sim/kill and /__sim/restart.
/// While a server refuses connections, the control port serves them.
/// </summary>
internal static class SideChannel
{
    private const string Prefix = "/__sim/";

    public static bool IsFor(string path) => path.StartsWith(Prefix, StringComparison.Ordinal);

    public static async Task HandleAsync(HttpContext http, SimulatedServer server, string path)
    {
        switch (http.Request.Method, path[Prefix.Length..])
        {
            case ("POST", "faults"):
                await AddFaultAsync(http, server);
                break;
            case ("GET", "faults"):
                await Reply.BytesAsync(
                    http, 200, JsonSerializer.SerializeToUtf8Bytes(server.Faults.Faults, ControlJson.Default.IReadOnlyListFault), ContentTypes.Json);
                break;
            case ("DELETE", "faults"):
                server.Faults.Clear();
                await Reply.EmptyAsync(http, 204);
                break;
            case ("GET", "stats"):
                await StatsAsync(http, server);
                break;
            case ("POST", "kill"):
                await Reply.EmptyAsync(http, 204);
                await http.Response.CompleteAsync();
                await Connections.DrainAsync(http);
                await server.KillAsync();
                break;
            case ("POST", "restart"):
                await Reply.EmptyAsync(http, 204);
                await http.Response.CompleteAsync();
                await Connections.DrainAsync(http);
                await server.RestartAsync(CancellationToken.None);
                break;
            default:
                await Reply.BytesAsync(http, 404, "404 page not found"u8.ToArray(), ContentTypes.BareText);
                break;
        }
    }

    private static async Task AddFaultAsync(HttpContext http, SimulatedServer server)
    {
        try
        {
            var fault = await JsonSerializer.DeserializeAsync(http.Request.Body, ControlJson.Default.Fault, http.RequestAborted);
            server.Faults.Add(fault ?? throw new JsonException("A fault is required."));
            http.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            using var json = new GoJson();
            await Reply.JsonAsync(http, 400, Protocol.WriteNative(json, new ApiError(400, e.Message)));
        }
    }

    private static async Task StatsAsync(HttpContext http, SimulatedServer server)
    {
        var stats = server.Statistics;
        using var json = new GoJson();
        json.BeginObject()
            .Field("name"u8, server.Name)
            .Field("url"u8, server.Url.ToString())
            .Field("alive"u8, server.IsAlive)
            .Field("requests"u8, stats.Requests)
            .Field("loads"u8, stats.Loads)
            .Field("evictions"u8, stats.Evictions)
            .Field("cancelled"u8, stats.Cancelled)
            .Field("tokens"u8, stats.Tokens)
            .Field("active_generations"u8, stats.ActiveGenerations)
            .Field("max_active_generations"u8, stats.MaxActiveGenerations)
            .Field("concurrent_requests"u8, stats.ConcurrentRequests)
            .Field("max_concurrent_requests"u8, stats.MaxConcurrentRequests)
            .Field("max_concurrent_writers"u8, server.Store.MaxConcurrentWriters)
            .EndObject();
        await Reply.JsonAsync(http, 200, json);
    }
}
