using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.OpenAi;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Anthropic;

/// <summary>
/// POST /v1/messages/count_tokens, as llama-server and other bridges serve it: with the count of the server's own tokenizer. Ollama has no such
/// route; <see cref="SimulatorOptions.CountsTokens"/> removes it.
/// </summary>
internal static class CountTokensRoute
{
    public static async Task HandleAsync(Call call)
    {
        if (!call.Options.CountsTokens)
        {
            await Misdirection.NotFoundAsync(call.Http);
            return;
        }

        using var body = OpenAiFields.Parse(call.Body);
        var root = body.Root;
        var model = root.Text("model"u8);
        if (model.Length == 0)
            throw new ApiError(400, "model is required") { EarlyOnV1 = true };
        _ = ModelLookup.Find(call.Store, model);
        if (root.Items("messages"u8).Count == 0)
            throw new ApiError(400, "messages is required") { EarlyOnV1 = true };
        var tokens = MessagesRoute.Messages(root).Sum(m => Tokenizer.Count(m.Content) + Tokenizer.Count(m.Calls));
        using var json = new GoJson();
        json.BeginObject().Field("input_tokens"u8, tokens).EndObject();
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }
}
