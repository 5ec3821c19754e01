using System.Text;
using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>Converts fields of OpenAI's requests to Ollama's.</summary>
internal static class OpenAiFields
{
    /// <summary>Parses the body; its errors precede Ollama's own handler.</summary>
    public static RequestBody Parse(ReadOnlyMemory<byte> bytes) => Early(() => RequestBody.Parse(bytes, "EOF"));

    /// <summary>Runs a step of the OpenAI layer and marks its errors as early.</summary>
    public static T Early<T>(Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (ApiError e)
        {
            throw new ApiError(e.Status, e.Message) { EarlyOnV1 = true };
        }
    }

    public static SamplingOptions Options(JsonElement root, SimulatorOptions server, ReadOnlySpan<byte> maxTokens)
    {
        var limit = root.Integer(maxTokens) ?? root.Integer("max_completion_tokens"u8);
        return new SamplingOptions
        {
            Seed = root.Integer("seed"u8),
            Temperature = root.Real("temperature"u8),
            MaxTokens = limit is > 0 ? (int)limit : null,
            Stop = Stop(root, "stop"u8),
            Runner = new RunnerSettings(server.ContextLength, null, null, null, null, null),
        };
    }

    public static IReadOnlyList<string> Stop(JsonElement root, ReadOnlySpan<byte> name)
    {
        if (!GoFields.TryGet(root, name, out var stop))
            return [];
        return stop.ValueKind == JsonValueKind.String ? [stop.GetString()!] : [.. root.Items(name).Select(s => s.GetString() ?? "")];
    }

    public static ChatMessage Message(JsonElement message)
    {
        var images = false;
        var content = GoFields.TryGet(message, "content"u8, out var value) ? Content(value, ref images) : "";
        return new ChatMessage(message.Text("role"u8) is "developer" ? "system" : message.Text("role"u8), content)
        {
            Thinking = message.Text("reasoning"u8),
            Calls = string.Concat(message.Items("tool_calls"u8).Select(c => c.GetRawText())),
            HasImages = images,
        };
    }

    /// <summary>A text, or the joined texts of several parts.</summary>
    public static string Content(JsonElement content, ref bool images)
    {
        if (content.ValueKind == JsonValueKind.String)
            return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array)
            throw new ApiError(400, "invalid message content type: " + RequestBody.GoKind(content)) { EarlyOnV1 = true };
        var text = new StringBuilder();
        foreach (var part in content.EnumerateArray())
        {
            images |= part.Text("type"u8) is "image_url" or "input_image" or "image";
            text.Append(part.Text("text"u8));
        }
        return text.ToString();
    }

    /// <summary>response_format as Ollama's format.</summary>
    public static JsonElement Format(JsonElement root)
    {
        if (!GoFields.TryGet(root, "response_format"u8, out var format))
            return default;
        return format.Text("type"u8) switch
        {
            "json_object" => JsonElement.Parse("\"json\""),
            "json_schema" when GoFields.TryGet(format, "json_schema"u8, out var named) && GoFields.TryGet(named, "schema"u8, out var schema) => schema,
            _ => default,
        };
    }

    /// <summary>reasoning_effort, or reasoning.effort; null if both are missing.</summary>
    public static bool? Think(JsonElement root)
    {
        var effort = root.Text("reasoning_effort"u8);
        if (effort.Length == 0 && GoFields.TryGet(root, "reasoning"u8, out var reasoning))
            effort = reasoning.Text("effort"u8);
        return effort.Length == 0 ? null : effort != "none";
    }
}
