using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>GET /v1/models and /v1/models/{model}.</summary>
internal static class OpenAiModelsRoute
{
    public static async Task ListAsync(Call call)
    {
        using var json = new GoJson();
        json.BeginObject().Field("object"u8, "list").Name("data"u8).BeginArray();
        foreach (var stored in call.Store.List())
            Write(json, stored, stored.ShortName);
        json.EndArray().EndObject().Raw("\n"u8);
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }

    public static async Task OneAsync(Call call)
    {
        using var json = new GoJson();
        Write(json, ModelLookup.Find(call.Store, call.Tail, tellShortName: true), call.Tail);
        await Reply.JsonAsync(call.Http, 200, json.Raw("\n"u8), ContentTypes.BareJson);
    }

    private static void Write(GoJson json, StoredModel stored, string id) => json.BeginObject()
        .Field("id"u8, id)
        .Field("object"u8, "model")
        .Field("created"u8, stored.ModifiedAt.ToUnixTimeSeconds())
        .Field("owned_by"u8, stored.Name.Namespace)
        .EndObject();
}
