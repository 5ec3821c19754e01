using System.Text;
using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.OpenAi;

namespace OllamaBridge.Simulator.Anthropic;

/// <summary>POST /v1/messages.</summary>
internal static class MessagesRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = OpenAiFields.Parse(call.Body);
        var root = body.Root;
        var model = root.Text("model"u8);
        if (model.Length == 0)
            throw new ApiError(400, "model is required") { EarlyOnV1 = true };
        var limit = root.Integer("max_tokens"u8) ?? 0;
        if (limit <= 0)
            throw new ApiError(400, "max_tokens is required and must be positive") { EarlyOnV1 = true };
        var given = root.Items("messages"u8);
        if (given.Count == 0)
            throw new ApiError(400, "messages is required") { EarlyOnV1 = true };
        var messages = Messages(root);
        var request = new ChatRequest
        {
            Model = model,
            Messages = messages,
            Tools = root.Items("tools"u8),
            Think = Think(root),
            RelaxesThinking = true,
            Options = new SamplingOptions
            {
                MaxTokens = (int)Math.Min(limit, int.MaxValue),
                Temperature = root.Real("temperature"u8),
                Stop = OpenAiFields.Stop(root, "stop_sequences"u8),
                Runner = new RunnerSettings(call.Options.ContextLength, null, null, null, null, null),
            },
        };
        var stored = ChatPreparation.Model(call, request);
        var generation = ChatPreparation.Generation(stored, request);
        var estimate = messages.Sum(m => m.Content.Length) / 4;
        using var sink = new MessagesSink(call, root.Flag("stream"u8) == true, model, Math.Max(1, estimate));
        await GenerationEngine.RunAsync(call, generation, sink);
    }

    /// <summary>Whether the request enables thinking; null for the model's default.</summary>
    private static bool? Think(JsonElement root)
    {
        if (GoFields.TryGet(root, "thinking"u8, out var thinking) && thinking.Text("type"u8) is ("enabled" or "disabled") and var type)
            return type == "enabled";
        var effort = GoFields.TryGet(root, "output_config"u8, out var output) ? output.Text("effort"u8).Trim().ToLowerInvariant() : "";
        return effort is "xhigh" or "high" or "medium" or "low" or "max" ? true : null;
    }

    public static List<ChatMessage> Messages(JsonElement root)
    {
        List<ChatMessage> messages = [];
        if (GoFields.TryGet(root, "system"u8, out var system))
            messages.Add(new ChatMessage("system", Text(system, out _)));
        foreach (var message in root.Items("messages"u8))
            Add(messages, message);
        return messages;
    }

    private static void Add(List<ChatMessage> messages, JsonElement message)
    {
        GoFields.TryGet(message, "content"u8, out var content);
        var role = message.Text("role"u8);
        var text = Text(content, out var images);
        var calls = new StringBuilder();
        var thought = new StringBuilder();
        var results = false;
        if (content.ValueKind == JsonValueKind.Array)
        {
            foreach (var block in content.EnumerateArray())
            {
                switch (block.Text("type"u8))
                {
                    case "tool_use":
                        calls.Append(block.GetRawText());
                        break;
                    case "thinking":
                        thought.Append(block.Text("thinking"u8));
                        break;
                    case "tool_result":
                        results = true;
                        var said = GoFields.TryGet(block, "content"u8, out var result) ? Text(result, out _) : "";
                        messages.Add(new ChatMessage("tool", said));
                        break;
                }
            }
        }
        if (!results || text.Length > 0)
            messages.Add(new ChatMessage(role, text) { Calls = calls.ToString(), Thinking = thought.ToString(), HasImages = images });
    }

    private static string Text(JsonElement content, out bool images)
    {
        images = false;
        return content.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? "" : OpenAiFields.Content(content, ref images);
    }
}
