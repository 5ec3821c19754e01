using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Translates a conversation without images or tool calls to <c>/api/chat</c> as Ollama's own layers do. Pure.</summary>
internal static class NativeMessages
{
    /// <returns>The fields of <c>/api/chat</c> except the model; null if they are not known exactly.</returns>
    public static JsonObject? From(Protocol protocol, JsonObject body)
    {
        var chat = new JsonObject();
        if (protocol == Protocol.Ollama)
        {
            foreach (var name in (ReadOnlySpan<string>)["messages", "think", "options", "keep_alive", "truncate", "shift"])
                if (body[name] is { } value)
                    chat[name] = value.DeepClone();
            return HasOnlyText(chat["messages"]) ? chat : null;
        }

        var messages = new JsonArray();
        if (protocol == Protocol.Anthropic && body["system"] is { } system && !Add(messages, "system", system))
            return null;
        if (body["messages"] is not JsonArray given)
            return null;
        foreach (var node in given)
        {
            if (node is not JsonObject message || Text(message["role"]) is not { } role || message["tool_calls"] is not null || role == "tool"
                || !Add(messages, role == "developer" ? "system" : role, message["content"]))
                return null;
            if (Text(message["reasoning"]) is { Length: > 0 } thought)
                messages[^1]!["thinking"] = thought;
        }

        chat["messages"] = messages;
        if (Think(protocol, body) is { } think)
            chat["think"] = think;
        return chat;
    }

    public static JsonNode? Think(Protocol protocol, JsonObject body) => protocol switch
    {
        Protocol.Ollama => body["think"]?.DeepClone(),
        Protocol.OpenAI when (Text(body["reasoning_effort"]) ?? Text((body["reasoning"] as JsonObject)?["effort"])) is { Length: > 0 } effort =>
            effort switch
            {
                "none" => JsonValue.Create(false),
                "minimal" => JsonValue.Create("low"),
                "xhigh" or "ultra" => JsonValue.Create("max"),
                _ => JsonValue.Create(effort),
            },
        Protocol.Anthropic when Text((body["thinking"] as JsonObject)?["type"]) is ("enabled" or "disabled") and var type => JsonValue.Create(type == "enabled"),
        Protocol.Anthropic => Text((body["output_config"] as JsonObject)?["effort"])?.Trim().ToLowerInvariant() switch
        {
            "xhigh" => JsonValue.Create("high"),
            ("high" or "medium" or "low" or "max") and var effort => JsonValue.Create(effort),
            _ => null,
        },
        _ => null,
    };

    private static bool HasOnlyText(JsonNode? messages) => messages is JsonArray list && list.All(m =>
        m is JsonObject message && message["images"] is null or JsonArray { Count: 0 } && message["tool_calls"] is null or JsonArray { Count: 0 });

    private static bool Add(JsonArray messages, string role, JsonNode? content)
    {
        var text = content switch
        {
            null => "",
            JsonValue value when value.TryGetValue(out string? said) => said,
            JsonArray { Count: 1 } parts when parts[0] is JsonObject part && Text(part["type"]) == "text" => Text(part["text"]),
            // Servers join several parts in different ways.
            _ => null,
        };
        if (text is null)
            return false;
        messages.Add(new JsonObject { ["role"] = role, ["content"] = text });
        return true;
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
