using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/chat.</summary>
internal static class ChatRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var keepAlive = GoDuration.KeepAlive(root);
        GoFields.TryGet(root, "format"u8, out var format);
        var think = NativeFields.Think(root);
        var top = NativeFields.TopLogprobs(root);
        var streams = root.Flag("stream"u8) ?? true;
        var model = root.Text("model"u8);
        List<ChatMessage> messages = [.. root.Items("messages"u8).Select(NativeFields.Message)];
        var tools = root.Items("tools"u8);
        if (!string.IsNullOrWhiteSpace(model))
            ModelLookup.Find(call.Store, model);
        var request = new ChatRequest
        {
            Model = model,
            Messages = messages,
            Options = string.IsNullOrWhiteSpace(model) ? null! : SamplingOptions.Parse(root, call.Options),
            Tools = tools,
            Format = format,
            Think = think,
            KeepAlive = keepAlive,
            Truncate = root.Flag("truncate"u8) ?? true,
            Shift = root.Flag("shift"u8) ?? true,
            TopLogprobs = top,
        };
        var stored = ChatPreparation.Model(call, request);
        if (ChatPreparation.IsLoadOnly(request))
        {
            await LoadReply.SendAsync(call, stored, request.Options.Runner, keepAlive, model, chat: true);
            return;
        }
        if (root.Flag("_debug_render_only"u8) == true)
        {
            await RenderedAsync(call, model, ChatPreparation.Render(stored, request));
            return;
        }
        using var sink = new ChatSink(call, streams, model, top);
        await GenerationEngine.RunAsync(call, ChatPreparation.Generation(stored, request), sink);
    }

    private static async Task RenderedAsync(Call call, string model, string rendered)
    {
        using var json = new GoJson();
        json.BeginObject().Field("model"u8, model).Field("created_at"u8, call.Now)
            .Name("message"u8).BeginObject().Field("role"u8, "").Field("content"u8, "").EndObject()
            .Field("done"u8, false)
            .Name("_debug_info"u8).BeginObject().Field("rendered_template"u8, rendered).EndObject()
            .EndObject();
        await Reply.JsonAsync(call.Http, 200, json);
    }
}
