using System.Text;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>POST /v1/audio/transcriptions: a form with a file and a model. The text is invented, and longer for longer files.</summary>
internal static class TranscriptionsRoute
{
    private const int BytesPerToken = 8 * 1024;
    private const int MaxTokens = 400;
    private const string BadForm = "failed to parse multipart form: ";

    public static async Task HandleAsync(Call call)
    {
        var form = await FormAsync(call);
        var asked = form["model"].ToString();
        if (asked.Length == 0)
            throw new ApiError(400, "model is required") { EarlyOnV1 = true };
        if (form.Files.GetFile("file") is not { } file)
            throw new ApiError(400, "file is required: http: no such file") { EarlyOnV1 = true };
        var stored = ModelLookup.Find(call.Store, asked);
        if (!stored.Model.Can(ModelCapability.Audio))
            throw new ApiError(400, $"{stored.Name.Full} does not support audio");
        var text = await TranscribeAsync(call, stored, file.Length);
        if (form["response_format"] == "text")
        {
            await Reply.BytesAsync(call.Http, 200, Encoding.UTF8.GetBytes(text), ContentTypes.Text);
            return;
        }
        using var json = new GoJson();
        json.BeginObject().Field("text"u8, text).EndObject().Raw("\n"u8);
        await Reply.JsonAsync(call.Http, 200, json, ContentTypes.BareJson);
    }

    private static async Task<IFormCollection> FormAsync(Call call)
    {
        if (!MediaTypeHeaderValue.TryParse(call.Http.Request.ContentType, out var type) || type.MediaType != "multipart/form-data")
            throw new ApiError(400, BadForm + "request Content-Type isn't multipart/form-data") { EarlyOnV1 = true };
        if (type.Boundary.Length == 0)
            throw new ApiError(400, BadForm + "no multipart boundary param in Content-Type") { EarlyOnV1 = true };
        try
        {
            return await call.Http.Request.ReadFormAsync(call.Aborted);
        }
        catch (Exception e) when (e is InvalidDataException or IOException && !call.Aborted.IsCancellationRequested)
        {
            throw new ApiError(400, BadForm + "multipart: NextPart: EOF") { EarlyOnV1 = true };
        }
    }

    private static async Task<string> TranscribeAsync(Call call, StoredModel stored, long bytes)
    {
        var settings = new RunnerSettings(call.Options.ContextLength, null, null, null, null, null);
        using var lease = await call.Memory.AcquireAsync(stored, settings, null, call.Aborted);
        await lease.EnterSlotAsync(call.Aborted);
        var tokens = (int)Math.Clamp(bytes / BytesPerToken, 4, MaxTokens);
        var pace = new Pace(call.Time, stored.Model, call.Options);
        await pace.PrefillAsync(tokens, call.Aborted);
        var answer = new AnswerText(stored.Model with { AnswerTokens = tokens }, bytes, "");
        var text = new StringBuilder();
        while (answer.TryNext(out var token))
        {
            await pace.TokenAsync(call.Aborted);
            text.Append(token.Text);
        }
        return text.ToString();
    }
}
