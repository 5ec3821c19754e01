using System.Text;
using System.Text.Json;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Chat;

/// <summary>Decides whether the simulated model calls a tool: it does if the last message is the user's and contains a tool's name.</summary>
internal static class ToolChoice
{
    /// <summary>The function object of the tool to call; null for none.</summary>
    public static JsonElement? Find(IReadOnlyList<JsonElement> tools, IReadOnlyList<ChatMessage> messages)
    {
        if (tools.Count == 0 || messages.Count == 0 || messages[^1].Role != "user")
            return null;
        foreach (var tool in tools)
        {
            if (Name(tool) is { Length: > 0 } name && messages[^1].Content.Contains(name, StringComparison.OrdinalIgnoreCase))
                return tool;
        }
        return null;
    }

    public static ToolCall Call(JsonElement? tool, IReadOnlyList<ChatMessage> messages, long seed)
    {
        var random = TextHash.Add(TextHash.Add(TextHash.Seed, seed), messages[^1].Content);
        var schema = GoFields.TryGet(Function(tool!.Value), "parameters"u8, out var parameters)
            || GoFields.TryGet(tool.Value, "input_schema"u8, out parameters) ? parameters : default;
        var arguments = schema.ValueKind == JsonValueKind.Object ? SchemaSample.Make(schema, random) : "{}";
        return new ToolCall(TextHash.Mix(random).ToString("x16", null)[..8], Name(tool.Value), arguments);
    }

    /// <summary>The call as the model writes it, before a parser extracts it.</summary>
    public static string Text(ToolCall call) =>
        new StringBuilder("<tool_call>{\"name\": \"").Append(call.Name).Append("\", \"arguments\": ").Append(call.Arguments).Append("}</tool_call>").ToString();

    private static string Name(JsonElement tool) =>
        GoFields.TryGet(Function(tool), "name"u8, out var name) && name.ValueKind == JsonValueKind.String ? name.GetString()! : "";

    private static JsonElement Function(JsonElement tool) => GoFields.TryGet(tool, "function"u8, out var function) ? function : tool;
}
