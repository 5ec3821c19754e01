using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>A request that a working runner answers without a free slot (<c>needsReload</c> in Ollama's <c>server/sched.go</c>; ADR 0033).</summary>
/// <param name="HasRunnerOptions">Whether it has options that reload a model, apart from the context length.</param>
internal readonly record struct LivenessQuery(string Path, string Body, bool HasRunnerOptions)
{
    // Fields of api.Runner in api/types.go, without num_ctx.
    private static readonly string[] RunnerOptions = ["num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"];

    /// <returns>Null if the instance cannot be checked.</returns>
    public static LivenessQuery? For(ForwardedCall call, Instance instance)
    {
        if (call.Model.SentName is not { Length: > 0 } model || call.Model.Key.Length == 0 || instance.IsPeer)
            return null;
        return instance.OpenAI is null ? ForOllama(call, model) : ForOpenAI(call, model);
    }

    private static LivenessQuery ForOllama(ForwardedCall call, string model)
    {
        // The route of the request, or the native one that serves it: a failing route must not be hidden by a working one.
        var path = (call.Operation.Protocol, call.Operation.Type) switch
        {
            (Protocol.Ollama, OperationType.Embeddings) => "/api/embeddings",
            (_, OperationType.Embed or OperationType.Embeddings) => "/api/embed",
            (Protocol.Ollama, OperationType.Generate) or (_, OperationType.TextCompletion) => "/api/generate",
            _ => "/api/chat",
        };
        var (options, shift) = call.Operation.Protocol == Protocol.Ollama && call.Body is { } held ? held.Read(body => ReadOptions(body)) : default;
        options ??= [];
        var hasRunnerOptions = shift is not null || RunnerOptions.Any(options.ContainsKey);
        // For other servers, which generate from an empty prompt.
        options["num_predict"] = 1;
        var body = new JsonObject { ["model"] = model, ["stream"] = false, ["options"] = options };
        if (path == "/api/chat")
            body["messages"] = new JsonArray();
        if (shift is not null)
            body["shift"] = shift;
        return new LivenessQuery(path, body.ToJsonString(), hasRunnerOptions);
    }

    private static LivenessQuery ForOpenAI(ForwardedCall call, string model)
    {
        var body = new JsonObject { ["model"] = model };
        switch (call.Operation.Type)
        {
            case OperationType.Embeddings:
                body["input"] = "a";
                return new LivenessQuery("/v1/embeddings", body.ToJsonString(), HasRunnerOptions: false);
            case OperationType.TextCompletion:
                (body["prompt"], body["max_tokens"]) = ("a", 1);
                return new LivenessQuery("/v1/completions", body.ToJsonString(), HasRunnerOptions: false);
            default:
                body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "a" });
                body["max_tokens"] = 1;
                return new LivenessQuery("/v1/chat/completions", body.ToJsonString(), HasRunnerOptions: false);
        }
    }

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
            // Not strict JSON. The server rejects it, or parses it in its own way.
        }

        return (options, shift);
    }
}
