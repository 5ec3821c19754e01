using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>POST /v1/completions: /api/generate in OpenAI's format.</summary>
internal static class CompletionsRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = OpenAiFields.Parse(call.Body);
        var root = body.Root;
        var (options, prompt, suffix) = OpenAiFields.Early(() =>
            (OpenAiFields.Options(root, call.Options, "max_tokens"u8), root.Text("prompt"u8), root.Text("suffix"u8)));
        var asked = root.Text("model"u8);
        var stored = ModelLookup.Find(call.Store, asked);
        ModelLookup.Require(stored, asked, "generate");
        if (suffix.Length > 0 && !stored.Model.Can(ModelCapability.Insert))
            throw new ApiError(400, $"{stored.Name.Full} does not support insert");
        var usage = GoFields.TryGet(root, "stream_options"u8, out var stream) && stream.Flag("include_usage"u8) == true;
        using var sink = new CompletionsSink(call, root.Flag("stream"u8) == true, asked, usage);
        var rendered = PromptRenderer.Generate(stored.Model, stored.Model.Template, "", prompt, suffix, think: null);
        await GenerationEngine.RunAsync(call, new GenerationRequest
        {
            Stored = stored,
            Prompt = rendered,
            Thinking = ThinkingReader.For(stored.Model, rendered, think: null),
            ShowsEmptyTokens = true,
            Options = options,
        }, sink);
    }
}
