using System.Text.Json;
using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/generate.</summary>
internal static class GenerateRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        var keepAlive = GoDuration.KeepAlive(root);
        var think = NativeFields.Think(root);
        var top = NativeFields.TopLogprobs(root);
        var streams = root.Flag("stream"u8) ?? true;
        var (model, prompt, suffix) = (root.Text("model"u8), root.Text("prompt"u8), root.Text("suffix"u8));
        var (system, template, raw) = (root.Text("system"u8), root.Text("template"u8), root.Flag("raw"u8) == true);
        List<int> context = [.. root.Items("context"u8).Select(e => e.GetInt32())];
        var stored = ModelLookup.Find(call.Store, model);
        var images = root.Items("images"u8).Count > 0;
        if (raw && (template.Length > 0 || system.Length > 0 || context.Count > 0))
            throw new ApiError(400, "raw mode does not support template, system, or context");
        var loadOnly = prompt.Length == 0 && suffix.Length == 0 && !images;
        if (loadOnly && keepAlive == TimeSpan.Zero)
        {
            await LoadReply.SendAsync(call, stored, default, keepAlive, model, chat: false);
            return;
        }
        Check(stored, model, suffix, think);
        var options = SamplingOptions.Parse(root, call.Options);
        if (loadOnly)
        {
            await LoadReply.SendAsync(call, stored, options.Runner, keepAlive, model, chat: false);
            return;
        }
        var kind = template.Length > 0 ? TemplateTexts.Classify(template) : stored.Model.Template;
        var rendered = raw ? prompt : PromptRenderer.Generate(stored.Model, kind, system, prompt, suffix, think);
        if (root.Flag("_debug_render_only"u8) == true)
        {
            await RenderedAsync(call, model, rendered);
            return;
        }
        GoFields.TryGet(root, "format"u8, out var format);
        var request = Request(stored, rendered, options, format) with
        {
            KeepAlive = keepAlive,
            Raw = raw,
            // Raw responses are parsed, too.
            Thinking = ThinkingReader.For(stored.Model, rendered, think),
            ShowsEmptyTokens = true,
            Context = context,
            Truncate = root.Flag("truncate"u8) ?? true,
            Shift = root.Flag("shift"u8) ?? true,
        };
        using var sink = new GenerateSink(call, streams, model, top, request);
        await GenerationEngine.RunAsync(call, request, sink);
    }

    private static void Check(StoredModel stored, string model, string suffix, bool? think)
    {
        ModelLookup.Require(stored, model, "generate");
        if (think == true && !stored.Model.Can(ModelCapability.Thinking))
            throw new ApiError(400, $"\"{model}\" does not support thinking");
        if (suffix.Length > 0 && !stored.Model.Can(ModelCapability.Insert))
            throw new ApiError(400, $"{stored.Name.Full} does not support insert");
    }

    private static GenerationRequest Request(StoredModel stored, string prompt, SamplingOptions options, JsonElement format) => new()
    {
        Stored = stored,
        Prompt = prompt,
        Options = options,
        Script = JsonScript.For(format),
        ErrorOnceLoaded = JsonScript.Check(format),
    };

    private static async Task RenderedAsync(Call call, string model, string rendered)
    {
        using var json = new GoJson();
        json.BeginObject().Field("model"u8, model).Field("created_at"u8, call.Now).Field("response"u8, "").Field("done"u8, false)
            .Name("_debug_info"u8).BeginObject().Field("rendered_template"u8, rendered).EndObject().EndObject();
        await Reply.JsonAsync(call.Http, 200, json);
    }
}
