using System.Text.Json;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/embed and its predecessor /api/embeddings.</summary>
internal static class EmbedRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var keepAlive = GoDuration.KeepAlive(root);
        var began = call.Time.GetTimestamp();
        var inputs = Inputs(root, "input"u8);
        var model = root.Text("model"u8);
        var stored = Find(call, model);
        var options = SamplingOptions.Parse(root, call.Options);
        using var run = await EmbeddingRun.StartAsync(call, stored, options.Runner, keepAlive);
        using var json = new GoJson();
        json.BeginObject().Field("model"u8, model).Name("embeddings"u8).BeginArray();
        if (inputs.Count == 0)
        {
            await call.Server.Faults.WhileFrozenAsync(call.Path, stored.ShortName, call.Aborted);
            json.EndArray().EndObject();
            await Reply.JsonAsync(call.Http, 200, json);
            return;
        }
        await run.EvaluateAsync(inputs);
        var length = (int)(root.Integer("dimensions"u8) ?? 0);
        foreach (var input in inputs)
            Embedding.Write(json, Embedding.Of(stored.Model, input, length));
        json.EndArray()
            .Field("total_duration"u8, GenerationEngine.Nanoseconds(call.Time.GetElapsedTime(began)))
            .Field("load_duration"u8, run.LoadDuration)
            .Field("prompt_eval_count"u8, run.Tokens)
            .EndObject();
        await Reply.JsonAsync(call.Http, 200, json);
    }

    public static async Task HandleLegacyAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var keepAlive = GoDuration.KeepAlive(root);
        var prompt = root.Text("prompt"u8);
        var stored = Find(call, root.Text("model"u8));
        using var run = await EmbeddingRun.StartAsync(call, stored, SamplingOptions.Parse(root, call.Options).Runner, keepAlive);
        using var json = new GoJson();
        json.BeginObject().Name("embedding"u8);
        if (prompt.Length == 0)
        {
            await call.Server.Faults.WhileFrozenAsync(call.Path, stored.ShortName, call.Aborted);
            json.BeginArray().EndArray().EndObject();
        }
        else
        {
            await run.EvaluateAsync([prompt]);
            Embedding.WriteWide(json, Embedding.Of(stored.Model, prompt, 0));
            json.EndObject();
        }
        await Reply.JsonAsync(call.Http, 200, json);
    }

    /// <summary>One or several texts; empty if the field is missing or empty.</summary>
    /// <exception cref="ApiError">400: any other type.</exception>
    public static IReadOnlyList<string> Inputs(JsonElement from, ReadOnlySpan<byte> name)
    {
        if (!GoFields.TryGet(from, name, out var input))
            return [];
        return input.ValueKind switch
        {
            JsonValueKind.String => input.GetString() is { Length: > 0 } text ? [text] : [],
            JsonValueKind.Array => [.. input.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? e.GetString()! : throw Invalid())],
            _ => throw Invalid(),
        };
    }

    private static ApiError Invalid() => new(400, "invalid input type");

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
