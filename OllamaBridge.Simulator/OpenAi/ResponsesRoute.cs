using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using ZstdSharp;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>POST /v1/responses.</summary>
internal static class ResponsesRoute
{
    private const int MaxDecoded = 64 * 1024 * 1024;

    public static async Task HandleAsync(Call call)
    {
        using var body = OpenAiFields.Parse(Decode(call));
        var root = body.Root;
        var instructions = root.Text("instructions"u8);
        var request = OpenAiFields.Early(() => new ChatRequest
        {
            Model = root.Text("model"u8),
            Messages = Messages(root, instructions),
            Options = OpenAiFields.Options(root, call.Options, "max_output_tokens"u8),
            Tools = root.Items("tools"u8),
            Format = Format(root),
            Think = OpenAiFields.Think(root),
        });
        var stored = ChatPreparation.Model(call, request);
        var shape = new ResponseShape(request, instructions, call.Now);
        using var sink = new ResponsesSink(call, root.Flag("stream"u8) == true, shape);
        await GenerationEngine.RunAsync(call, ChatPreparation.Generation(stored, request), sink);
    }

    /// <summary>The only route on which Ollama decodes a body (middleware/openai.go, ResponsesMiddleware).</summary>
    private static ReadOnlyMemory<byte> Decode(Call call)
    {
        if (call.Http.Request.Headers.ContentEncoding != "zstd")
            return call.Body;
        try
        {
            using var decoder = new Decompressor();
            return decoder.Unwrap(call.Body.Span, MaxDecoded).ToArray();
        }
        catch (ZstdException)
        {
            throw new ApiError(400, "failed to decompress zstd body") { EarlyOnV1 = true };
        }
    }

    private static List<ChatMessage> Messages(JsonElement root, string instructions)
    {
        List<ChatMessage> messages = [];
        if (instructions.Length > 0)
            messages.Add(new ChatMessage("system", instructions));
        if (!GoFields.TryGet(root, "input"u8, out var input))
            return messages;
        if (input.ValueKind == JsonValueKind.String)
        {
            messages.Add(new ChatMessage("user", input.GetString()!));
            return messages;
        }
        foreach (var item in root.Items("input"u8))
        {
            messages.Add(item.Text("type"u8) switch
            {
                "function_call_output" => new ChatMessage("tool", item.Text("output"u8)),
                "function_call" => new ChatMessage("assistant", "") { Calls = item.GetRawText() },
                _ => OpenAiFields.Message(item),
            });
        }
        return messages;
    }

    private static JsonElement Format(JsonElement root) =>
        GoFields.TryGet(root, "text"u8, out var text) && GoFields.TryGet(text, "format"u8, out var format)
        && GoFields.TryGet(format, "schema"u8, out var schema) ? schema : default;
}
