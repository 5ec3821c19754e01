using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;

namespace OllamaBridge.Simulator.Chat;

/// <summary>Common steps of every protocol's chat: model lookup, capability checks, script.</summary>
internal static class ChatPreparation
{
    private const string NoEyes =
        "{\"error\":{\"code\":400,\"message\":\"Multimodal data provided, but model does not support multimodal requests.\",\"type\":\"invalid_request_error\"}}";

    /// <exception cref="ApiError">The model is unknown or lacks a required capability.</exception>
    public static StoredModel Model(Call call, ChatRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.Model))
            throw new ApiError(400, "model is required");
        var stored = ModelLookup.Find(call.Store, request.Model);
        if (IsLoadOnly(request))
            return stored;
        ModelLookup.Require(stored, request.Model, "chat");
        if (request.Think == true && !request.RelaxesThinking && !stored.Model.Can(ModelCapability.Thinking))
            throw new ApiError(400, $"\"{request.Model}\" does not support thinking");
        if (request.Tools.Count > 0 && !stored.Model.Can(ModelCapability.Tools))
            throw new ApiError(400, $"{stored.Name.Full} does not support tools");
        return stored;
    }

    /// <summary>Without messages the request loads the model, or unloads it if keep_alive is 0.</summary>
    public static bool IsLoadOnly(ChatRequest request) => request.Messages.Count == 0;

    public static string Render(StoredModel stored, ChatRequest request) =>
        PromptRenderer.Chat(stored.Model, request.Messages, request.Think, string.Concat(request.Tools.Select(t => t.GetRawText())));

    public static GenerationRequest Generation(StoredModel stored, ChatRequest request)
    {
        var tool = ToolChoice.Find(request.Tools, request.Messages);
        var seed = request.Options.EffectiveSeed ?? 0;
        var made = tool is null ? null : ToolChoice.Call(tool, request.Messages, seed);
        var prompt = Render(stored, request);
        return new GenerationRequest
        {
            Stored = stored,
            Prompt = prompt,
            Thinking = ThinkingReader.For(stored.Model, prompt, request.Think, isNative: true),
            Options = request.Options,
            KeepAlive = request.KeepAlive,
            Truncate = request.Truncate,
            Shift = request.Shift,
            Call = made,
            Script = made is not null ? _ => ToolChoice.Text(made) : JsonScript.For(request.Format),
            ErrorOnceLoaded = request.Messages.Any(m => m.HasImages) && !stored.Model.Can(ModelCapability.Vision)
                ? new ApiError(400, NoEyes)
                : made is null ? JsonScript.Check(request.Format) : null,
        };
    }
}
