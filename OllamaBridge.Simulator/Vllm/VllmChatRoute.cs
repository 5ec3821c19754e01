using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.OpenAi;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Vllm;

/// <summary>POST /v1/chat/completions, with vLLM's option to continue the last message: <c>continue_final_message</c>.</summary>
internal static class VllmChatRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var messages = root.Items("messages"u8).Select(OpenAiFields.Message).ToArray();
        if (messages.Length == 0)
            throw new ApiError(400, "at least one message is required");
        var asked = root.Text("model"u8);
        var stored = VllmRoutes.FindModel(call, asked);
        var options = OpenAiFields.Options(root, call.Options, "max_tokens"u8);
        var prompt = PromptRenderer.Chat(
            stored.Model with { Template = Continues(root) ? ChatTemplate.Prefill : ChatTemplate.Messages }, messages, think: null, tools: "");
        VllmRoutes.RequireRoom(call, Tokenizer.Count(prompt) + 1, options.MaxTokens);
        using var sink = new VllmChatSink(call, root.Flag("stream"u8) == true, asked, WantsUsage(root));
        await GenerationEngine.RunAsync(call, new GenerationRequest
        {
            Stored = stored,
            Prompt = prompt,
            Options = options,
            Thinking = ThinkingReader.For(stored.Model, prompt, think: null, isNative: true),
        }, sink);
    }

    public static bool WantsUsage(JsonElement root) =>
        GoFields.TryGet(root, "stream_options"u8, out var stream) && stream.Flag("include_usage"u8) == true;

    /// <exception cref="ApiError">400: conflicting options to continue the last message and to begin a response.</exception>
    private static bool Continues(JsonElement root)
    {
        var continues = root.Flag("continue_final_message"u8) == true;
        if (continues && root.Flag("add_generation_prompt"u8) != false)
            throw new ApiError(400, "Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
        return continues;
    }
}
