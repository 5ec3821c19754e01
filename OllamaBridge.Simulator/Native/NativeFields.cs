using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Common fields of native requests.</summary>
internal static class NativeFields
{
    /// <summary>true, false or a level.</summary>
    /// <exception cref="ApiError">400: any other value.</exception>
    public static bool? Think(JsonElement body)
    {
        if (!GoFields.TryGet(body, "think"u8, out var think))
            return null;
        return think.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.String when think.GetString() is "high" or "medium" or "low" or "max" => true,
            JsonValueKind.String => throw new ApiError(400,
                $"invalid think value: \"{think.GetString()}\" (must be \"high\", \"medium\", \"low\", true, or false)"),
            _ => throw new ApiError(400, "think must be a boolean or string (\"high\", \"medium\", \"low\", true, or false)"),
        };
    }

    public static int? TopLogprobs(JsonElement body)
    {
        var top = (int)(body.Integer("top_logprobs"u8) ?? 0);
        if (top is < 0 or > 20)
            throw new ApiError(400, "top_logprobs must be between 0 and 20");
        return body.Flag("logprobs"u8) == true ? top : null;
    }

    public static ChatMessage Message(JsonElement message)
    {
        var calls = message.Items("tool_calls"u8);
        return new ChatMessage(message.Text("role"u8), message.Text("content"u8))
        {
            Thinking = message.Text("thinking"u8),
            Calls = string.Concat(calls.Select(c => c.GetRawText())),
            HasImages = message.Items("images"u8).Count > 0,
        };
    }
}
