using System.Collections.Frozen;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using Route = OllamaBridge.Simulator.Hosting.Route;

namespace OllamaBridge.Simulator.Vllm;

/// <summary>The routes of a server with only OpenAI's API, and its errors. Formats of vLLM's <c>entrypoints/openai</c>.</summary>
internal static class VllmRoutes
{
    private static readonly FrozenDictionary<string, Route> All = new Route[]
    {
        new("/health") { Get = HealthAsync },
        new("/v1/models") { Get = ModelsAsync },
        new("/v1/chat/completions") { Post = VllmChatRoute.HandleAsync, Inference = true },
        new("/v1/completions") { Post = VllmCompletionsRoute.HandleAsync, Inference = true },
        new("/v1/embeddings") { Post = VllmEmbeddingsRoute.HandleAsync, Inference = true },
    }.ToFrozenDictionary(r => r.Path);

    public static Route? Find(string path) => All.GetValueOrDefault(path);

    /// <summary>Whether the request has the server's key, if it requires one.</summary>
    public static bool MayEnter(HttpContext http, SimulatorOptions options, string path) =>
        options.ApiKey is not { } key || !path.StartsWith("/v1", StringComparison.Ordinal) || http.Request.Headers.Authorization == $"Bearer {key}";

    public static Task RefuseAsync(HttpContext http) =>
        Reply.BytesAsync(http, 401, """{"error":"Unauthorized"}"""u8.ToArray(), ContentTypes.BareJson);

    /// <summary>FastAPI's responses to unknown routes.</summary>
    public static Task MisdirectAsync(HttpContext http, Route? route)
    {
        if (route is not null)
            http.Response.Headers.Allow = route.Allow;
        return Reply.BytesAsync(
            http,
            route is null ? 404 : 405,
            route is null ? """{"detail":"Not Found"}"""u8.ToArray() : """{"detail":"Method Not Allowed"}"""u8.ToArray(),
            ContentTypes.BareJson);
    }

    public static async Task FailAsync(Call call, ApiError error)
    {
        using var json = new GoJson();
        WriteError(json, error);
        await Reply.JsonAsync(call.Http, error.Status, json, ContentTypes.BareJson);
    }

    public static void WriteError(GoJson json, ApiError error) => json.BeginObject()
        .Field("object"u8, "error")
        .Field("message"u8, error.Message)
        .Field("type"u8, error.Status switch { 400 => "BadRequestError", 404 => "NotFoundError", _ => "InternalServerError" })
        .Name("param"u8).Null()
        .Field("code"u8, error.Status)
        .EndObject();

    /// <summary>Finds a model by its exact id.</summary>
    /// <exception cref="ApiError">404: the model is not served.</exception>
    public static StoredModel FindModel(Call call, string asked) =>
        call.Options.Served.FirstOrDefault(m => m.Name == asked) is { } served && call.Store.Get(ModelName.Normalize(served.Name)) is { } stored
            ? stored
            : throw new ApiError(404, $"The model `{asked}` does not exist.");

    /// <exception cref="ApiError">400: prompt and response exceed the model's context.</exception>
    public static void RequireRoom(Call call, int promptTokens, int? answerTokens)
    {
        var context = call.Options.ContextLength;
        var total = promptTokens + (answerTokens ?? 0);
        if (total > context)
            throw new ApiError(400,
                $"This model's maximum context length is {context} tokens. However, you requested {total} tokens ({promptTokens} in the messages, "
                + $"{answerTokens ?? 0} in the completion). Please reduce the length of the messages or completion.");
    }

    private static Task HealthAsync(Call call) => Reply.EmptyAsync(call.Http, 200);

    private static async Task ModelsAsync(Call call)
    {
        using var json = new GoJson();
        json.BeginObject().Field("object"u8, "list").Name("data"u8).BeginArray();
        foreach (var model in call.Options.Served)
            json.BeginObject()
                .Field("id"u8, model.Name).Field("object"u8, "model").Field("created"u8, call.Now.ToUnixTimeSeconds())
                .Field("owned_by"u8, "vllm").Field("root"u8, "/models/" + model.Name).Name("parent"u8).Null()
                .Field("max_model_len"u8, call.Options.ContextLength)
                .EndObject();
        json.EndArray().EndObject();
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }
}
