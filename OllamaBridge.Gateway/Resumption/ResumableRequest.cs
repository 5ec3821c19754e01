using System.Text.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>A request whose response broke off, parsed again for its resumption. Created only then.</summary>
internal sealed class ResumableRequest
{
    private readonly ForwardedCall _call;
    private readonly JsonObject _body;

    private ResumableRequest(ForwardedCall call, JsonObject body)
    {
        _call = call;
        _body = body;
        var limit = ReadLimit();
        Limit = limit > 0 ? limit : null;
        IsUnlimited = limit <= 0;
    }

    /// <summary>Null for no limit in the request.</summary>
    public long? Limit { get; }

    public bool IsUnlimited { get; }

    public bool HasTools => _body["tools"] is JsonArray { Count: > 0 };

    public bool WantsUsage => Flag(_body["stream_options"] as JsonObject, "include_usage");

    public bool IsRaw => _call.Operation is { Protocol: Protocol.Ollama, Type: OperationType.Generate } && Flag(_body, "raw");

    public IEnumerable<string> Stops => (_call.Operation.Protocol == Protocol.Ollama ? (_body["options"] as JsonObject)?["stop"] : _body["stop"] ?? _body["stop_sequences"]) switch
    {
        JsonArray stops => stops.Select(Text).OfType<string>(),
        JsonValue stop when Text(stop) is { } one => [one],
        _ => [],
    };

    /// <summary>Whether the same prompt produces the same text each time: sampling is off, or the seed is given.</summary>
    public bool IsDeterministic => Sampling("temperature") is 0 || Sampling("seed") is not null;

    /// <summary>Must not be changed.</summary>
    public JsonObject Body => _body;

    /// <returns>Null if only Ollama's own parser accepts it.</returns>
    public static ResumableRequest? Read(ForwardedCall call)
    {
        try
        {
            return call.Body!.Read(Parse) is JsonObject body && body.Count > 0 ? new ResumableRequest(call, body) : null;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // Not strict JSON, or a duplicate name.
            return null;
        }
    }

    private static JsonNode? Parse(System.Buffers.ReadOnlySequence<byte> bytes)
    {
        var reader = new Utf8JsonReader(bytes);
        return JsonNode.Parse(ref reader);
    }

    public string? Obstacle
    {
        get
        {
            if (IsSomething(_body["format"]) || (_body["response_format"] is JsonObject format && Text(format["type"]) is not (null or "text")))
                return "the request constrains the output format";
            if (Flag(_body, "logprobs") || IsSomething(_body["top_logprobs"]) || _body["logprobs"] is JsonValue v && v.GetValueKind() == JsonValueKind.Number)
                return "the request asks for log probabilities";
            if (_body["n"] is JsonValue n && n.TryGetValue(out int answers) && answers > 1)
                return "the request asks for several choices";
            if (_body["context"] is JsonArray { Count: > 0 })
                return "the request's context is a list of tokens";
            return null;
        }
    }

    public JsonObject Copy(long? limit)
    {
        var copy = (JsonObject)_body.DeepClone();
        copy["stream"] = true;
        if (_call.Operation.Protocol == Protocol.OpenAI)
            copy["stream_options"] = new JsonObject { ["include_usage"] = true };
        if (limit is { } most)
            SetLimit(copy, most);
        return copy;
    }

    private void SetLimit(JsonObject body, long limit)
    {
        if (_call.Operation.Protocol == Protocol.Ollama)
        {
            if (body["options"] is not JsonObject options)
                body["options"] = options = [];
            options["num_predict"] = limit;
            return;
        }

        var name = body["max_tokens"] is null && body["max_completion_tokens"] is not null ? "max_completion_tokens" : "max_tokens";
        body[name] = limit;
    }

    private double? Sampling(string name)
    {
        var options = _call.Operation.Protocol == Protocol.Ollama ? _body["options"] as JsonObject : _body;
        return options?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue(out double number) ? number : null;
    }

    private long? ReadLimit()
    {
        var limit = _call.Operation.Protocol == Protocol.Ollama
            ? Whole((_body["options"] as JsonObject)?["num_predict"])
            : Whole(_body["max_tokens"]) ?? Whole(_body["max_completion_tokens"]);
        return limit;
    }

    private static long? Whole(JsonNode? node) =>
        node is not JsonValue value || value.GetValueKind() != JsonValueKind.Number ? null
        : value.TryGetValue(out long number) ? number
        : value.TryGetValue(out double real) ? (long)real
        : null;

    private static bool Flag(JsonObject? node, string name) => node?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    private static bool IsSomething(JsonNode? node) => node is not null && Text(node) is not "";

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
