using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Translates sampling parameters and their defaults as Ollama does (<c>openai/openai.go</c>, <c>anthropic/anthropic.go</c>). Pure.</summary>
internal static class RawOptions
{
    private static readonly string[] OpenAI = ["seed", "frequency_penalty", "presence_penalty"];
    private static readonly string[] Anthropic = ["temperature", "top_p", "top_k"];

    public static JsonObject From(Protocol protocol, JsonObject body, long? limit)
    {
        JsonObject options = [];
        switch (protocol)
        {
            case Protocol.Ollama:
                if (body["options"] is JsonObject own)
                    options = (JsonObject)own.DeepClone();
                break;
            case Protocol.OpenAI:
                Copy(body, options, OpenAI);
                options["temperature"] = body["temperature"]?.DeepClone() ?? 1.0;
                options["top_p"] = body["top_p"]?.DeepClone() ?? 1.0;
                if (body["stop"] is { } stop)
                    options["stop"] = stop is JsonArray ? stop.DeepClone() : new JsonArray(stop.DeepClone());
                break;
            default:
                Copy(body, options, Anthropic);
                if (body["stop_sequences"] is { } sequences)
                    options["stop"] = sequences.DeepClone();
                break;
        }

        if (limit is { } most)
            options["num_predict"] = most;
        return options;
    }

    private static void Copy(JsonObject from, JsonObject to, string[] names)
    {
        foreach (var name in names)
            if (from[name] is { } value)
                to[name] = value.DeepClone();
    }
}
