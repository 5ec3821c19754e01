using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.Native;

namespace OllamaBridge.Simulator.Vllm;

/// <summary>POST /v1/embeddings.</summary>
internal static class VllmEmbeddingsRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var asked = root.Text("model"u8);
        var stored = VllmRoutes.FindModel(call, asked);
        if (!stored.Model.Can(ModelCapability.Embedding))
            throw new ApiError(400, "The model does not support Embeddings API");
        var inputs = EmbedRoute.Inputs(root, "input"u8);
        using var run = await EmbeddingRun.StartAsync(
            call, stored, new RunnerSettings(call.Options.ContextLength, null, null, null, null, null), null);
        await run.EvaluateAsync(inputs);
        using var json = new GoJson();
        json.BeginObject().Field("id"u8, "embd-" + Guid.NewGuid().ToString("N")).Field("object"u8, "list")
            .Field("created"u8, call.Now.ToUnixTimeSeconds()).Field("model"u8, asked).Name("data"u8).BeginArray();
        for (var i = 0; i < inputs.Count; i++)
        {
            json.BeginObject().Field("index"u8, i).Field("object"u8, "embedding").Name("embedding"u8);
            Embedding.Write(json, Embedding.Of(stored.Model, inputs[i], 0));
            json.EndObject();
        }

        json.EndArray().Name("usage"u8).BeginObject()
            .Field("prompt_tokens"u8, run.Tokens).Field("total_tokens"u8, run.Tokens).Field("completion_tokens"u8, 0)
            .EndObject().EndObject();
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }
}
