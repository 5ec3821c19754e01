using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>A request that only a working runner answers, and that costs it nothing.</summary>
/// <param name="Path">Where it is sent.</param>
/// <param name="Body">Its JSON body.</param>
/// <param name="HasRunnerOptions">Whether it names options with which a model is loaded, besides the context's length.</param>
/// <remarks>
/// An Ollama server answers a request without a prompt as soon as it has pinged the runner of the loaded model
/// (<c>needsReload</c> in <c>server/sched.go</c>), whether or not the runner has a free slot. The options of the
/// original request are repeated: other runner options would reload the model. See ADR 0033.
/// </remarks>
internal readonly record struct LivenessQuery(string Path, string Body, bool HasRunnerOptions)
{
    // Fields of api.Runner in api/types.go, without num_ctx.
    private static readonly string[] RunnerOptions = ["num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"];

    /// <summary>The query for a request's model on an instance.</summary>
    /// <returns>Null if the instance cannot be checked.</returns>
    public static LivenessQuery? For(BridgeCall call, Instance instance)
    {
        if (call.SentModel is not { Length: > 0 } model || call.ModelKey.Length == 0 || instance.IsPeer)
            return null;
        return instance.OpenAI is null ? ForOllama(call, model) : ForOpenAI(call, model);
    }

    private static LivenessQuery ForOllama(BridgeCall call, string model)
    {
        // The route of the request, or the native one that serves it: a broken route must not hide behind one that works.
        var path = (call.Operation.Protocol, call.Operation.Name) switch
        {
            (Protocol.Ollama, "embeddings") => "/api/embeddings",
            (_, "embed" or "embeddings") => "/api/embed",
            (Protocol.Ollama, "generate") or (_, "text_completion") => "/api/generate",
            _ => "/api/chat",
        };
        var (options, shift) = call.Operation.Protocol == Protocol.Ollama && call.Body is { } held ? held.Read(body => ReadOptions(body)) : default;
        options ??= [];
        var hasRunnerOptions = shift is not null || RunnerOptions.Any(options.ContainsKey);
        // For servers of other kinds that generate from an empty prompt.
        options["num_predict"] = 1;
        var body = new JsonObject { ["model"] = model, ["stream"] = false, ["options"] = options };
        if (path == "/api/chat")
            body["messages"] = new JsonArray();
        if (shift is not null)
            body["shift"] = shift;
        return new LivenessQuery(path, body.ToJsonString(), hasRunnerOptions);
    }

    private static LivenessQuery ForOpenAI(BridgeCall call, string model)
    {
        var body = new JsonObject { ["model"] = model };
        switch (call.Operation.Name)
        {
            case "embeddings":
                body["input"] = "a";
                return new LivenessQuery("/v1/embeddings", body.ToJsonString(), HasRunnerOptions: false);
            case "text_completion":
                (body["prompt"], body["max_tokens"]) = ("a", 1);
                return new LivenessQuery("/v1/completions", body.ToJsonString(), HasRunnerOptions: false);
            default:
                body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "a" });
                body["max_tokens"] = 1;
                return new LivenessQuery("/v1/chat/completions", body.ToJsonString(), HasRunnerOptions: false);
        }
    }

    /// <summary>The fields of a native request that decide whether its model is reloaded.</summary>
    private static (JsonObject? Options, JsonNode? Shift) ReadOptions(in ReadOnlySequence<byte> body)
    {
        JsonObject? options = null;
        JsonNode? shift = null;
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return default;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString()!;
                reader.Read();
                if (name.Equals("options", StringComparison.OrdinalIgnoreCase) && reader.TokenType == JsonTokenType.StartObject)
                    options = JsonNode.Parse(ref reader) as JsonObject;
                else if (name.Equals("shift", StringComparison.OrdinalIgnoreCase) && reader.TokenType is JsonTokenType.True or JsonTokenType.False)
                    shift = JsonNode.Parse(ref reader);
                else
                    reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            // Not JSON to the letter. The server rejects it, or reads it in its own way.
        }

        return (options, shift);
    }
}
