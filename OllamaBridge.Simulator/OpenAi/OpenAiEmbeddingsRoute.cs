using System.Runtime.InteropServices;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.Native;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>POST /v1/embeddings.</summary>
internal static class OpenAiEmbeddingsRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = OpenAiFields.Parse(call.Body);
        var root = body.Root;
        var inputs = OpenAiFields.Early(() => EmbedRoute.Inputs(root, "input"u8));
        if (inputs.Count == 0)
            throw new ApiError(400, "invalid input") { EarlyOnV1 = true };
        var asked = root.Text("model"u8);
        var base64 = root.Text("encoding_format"u8) == "base64";
        var stored = Find(call, asked);
        using var run = await EmbeddingRun.StartAsync(call, stored, new RunnerSettings(call.Options.ContextLength, null, null, null, null, null), null);
        await run.EvaluateAsync(inputs);
        using var json = new GoJson();
        json.BeginObject().Field("object"u8, "list").Name("data"u8).BeginArray();
        for (var i = 0; i < inputs.Count; i++)
        {
            var vector = Embedding.Of(stored.Model, inputs[i], (int)(root.Integer("dimensions"u8) ?? 0));
            json.BeginObject().Field("object"u8, "embedding").Name("embedding"u8);
            if (base64)
                json.String(Convert.ToBase64String(MemoryMarshal.AsBytes(vector.AsSpan())));
            else
                Embedding.Write(json, vector);
            json.Field("index"u8, i).EndObject();
        }
        json.EndArray().Field("model"u8, asked)
            .Name("usage"u8).BeginObject().Field("prompt_tokens"u8, run.Tokens).Field("total_tokens"u8, run.Tokens).EndObject()
            .EndObject().Raw("\n"u8);
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }

    private static StoredModel Find(Call call, string asked)
    {
        try
        {
            return ModelLookup.Find(call.Store, asked);
        }
        catch (ApiError e) when (e.Status == 404)
        {
            throw new ApiError(404, $"model \"{asked}\" not found, try pulling it first");
        }
    }
}
