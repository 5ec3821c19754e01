using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Routes about the server itself.</summary>
internal static class GeneralRoutes
{
    private static readonly byte[] Running = "Ollama is running"u8.ToArray();
    private static readonly byte[] Status = """{"cloud":{"disabled":true,"source":"env"}}"""u8.ToArray();

    public static Task RootAsync(Call call) => Reply.BytesAsync(call.Http, 200, Running, ContentTypes.Text);

    public static Task StatusAsync(Call call) => Reply.BytesAsync(call.Http, 200, Status, ContentTypes.Json);

    public static async Task VersionAsync(Call call)
    {
        using var json = new GoJson();
        await Reply.JsonAsync(call.Http, 200, json.BeginObject().Field("version"u8, call.Options.Version).EndObject());
    }

    public static Task UnauthorizedAsync(Call call) => throw new ApiError(401, "unauthorized");

    public static Task CloudDisabledAsync(Call call) => throw new ApiError(403, "ollama cloud is disabled: this feature is unavailable");
}
