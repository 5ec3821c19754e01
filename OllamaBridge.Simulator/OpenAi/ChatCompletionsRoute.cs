using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>POST /v1/chat/completions.</summary>
internal static class ChatCompletionsRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = OpenAiFields.Parse(call.Body);
        var root = body.Root;
        var top = root.Flag("logprobs"u8) == true ? (int?)(root.Integer("top_logprobs"u8) ?? 0) : null;
        var request = OpenAiFields.Early(() =>
        {
            var messages = root.Items("messages"u8);
            return messages.Count == 0
                ? throw new ApiError(400, "[] is too short - 'messages'")
                : new ChatRequest
                {
                    Model = root.Text("model"u8),
                    Messages = [.. messages.Select(OpenAiFields.Message)],
                    Options = OpenAiFields.Options(root, call.Options, "max_tokens"u8),
                    Tools = root.Items("tools"u8),
                    Format = OpenAiFields.Format(root),
                    Think = OpenAiFields.Think(root),
                    TopLogprobs = top,
                };
        });
        var usage = GoFields.TryGet(root, "stream_options"u8, out var stream) && stream.Flag("include_usage"u8) == true;
        var stored = ChatPreparation.Model(call, request);
        using var sink = new ChatCompletionsSink(call, root.Flag("stream"u8) == true, request.Model, top, usage);
        await GenerationEngine.RunAsync(call, ChatPreparation.Generation(stored, request), sink);
    }
}
