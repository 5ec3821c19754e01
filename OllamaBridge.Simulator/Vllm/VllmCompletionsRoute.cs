using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.OpenAi;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Vllm;

/// <summary>POST /v1/completions: the model gets the prompt unchanged.</summary>
internal static class VllmCompletionsRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var asked = root.Text("model"u8);
        var stored = VllmRoutes.FindModel(call, asked);
        var options = OpenAiFields.Options(root, call.Options, "max_tokens"u8);
        var prompt = root.Text("prompt"u8);
        VllmRoutes.RequireRoom(call, Tokenizer.Count(prompt) + 1, options.MaxTokens);
        using var sink = new VllmCompletionsSink(call, root.Flag("stream"u8) == true, asked, VllmChatRoute.WantsUsage(root));
        await GenerationEngine.RunAsync(call, new GenerationRequest { Stored = stored, Prompt = prompt, Options = options, Raw = true }, sink);
    }
}
