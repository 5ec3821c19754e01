using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>Responses of /v1/chat/completions.</summary>
internal sealed class ChatCompletionsSink(Call call, bool streams, string model, int? topLogprobs, bool includeUsage) : SseSink(call, streams, model)
{
    private readonly string _id = "chatcmpl-" + Ids.Short();

    protected override void WritePiece(OutputPiece piece)
    {
        var thinks = piece.Kind == TokenKind.Thinking;
        Open(Model);
        Json.Name("delta"u8).BeginObject();
        if (!Begun)
            Json.Field("role"u8, "assistant");
        Json.Field("content"u8, thinks ? "" : piece.Text);
        if (thinks)
            Json.Field("reasoning"u8, piece.Text);
        if (piece.Call is { } made)
            ToolCallJson.OpenAi(Json, made);
        Json.EndObject().Name("finish_reason"u8).Null();
        if (piece.Call is null)
            Probabilities([piece]);
        Close();
    }

    protected override void WriteEnd(GenerationEnd end)
    {
        Open(Model);
        Json.Name("delta"u8).BeginObject().EndObject().Field("finish_reason"u8, Reason(end));
        Close();
        if (includeUsage)
        {
            Head("chat.completion.chunk", Model);
            Json.Name("choices"u8).BeginArray().EndArray();
            Usage(end);
            Json.EndObject();
            CloseEvent();
        }
        Done();
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Json.BeginObject();
        Fields("chat.completion", Model);
        Json.Name("choices"u8).BeginArray().BeginObject().Field("index"u8, 0)
            .Name("message"u8).BeginObject().Field("role"u8, "assistant").Field("content"u8, Content.ToString());
        if (Thinking.Length > 0)
            Json.Field("reasoning"u8, Thinking.ToString());
        if (CalledTool is { } made)
            ToolCallJson.OpenAi(Json, made);
        Json.EndObject().Field("finish_reason"u8, Reason(end));
        Probabilities(Pieces);
        Json.EndObject().EndArray();
        Usage(end);
        Json.EndObject().Raw("\n"u8);
    }

    /// <summary>Ollama's OpenAI layer does not recognize the error line: it writes an empty chunk, then the stream just ends.</summary>
    protected override void WriteFailure(ApiError error)
    {
        Open("");
        Json.Name("delta"u8).BeginObject().Field("content"u8, "").EndObject().Name("finish_reason"u8).Null();
        Close();
    }

    private void Open(string model)
    {
        Head("chat.completion.chunk", model);
        Json.Name("choices"u8).BeginArray().BeginObject().Field("index"u8, 0);
    }

    private void Head(string kind, string model)
    {
        OpenEvent();
        Json.BeginObject();
        Fields(kind, model);
    }

    private void Fields(string kind, string model) => Json
        .Field("id"u8, _id).Field("object"u8, kind).Field("created"u8, Created).Field("model"u8, model).Field("system_fingerprint"u8, "fp_ollama");

    private void Close()
    {
        Json.EndObject().EndArray().EndObject();
        CloseEvent();
    }

    private void Probabilities(IEnumerable<OutputPiece> pieces)
    {
        if (topLogprobs is not { } top)
            return;
        Json.Name("logprobs"u8).BeginObject().Name("content"u8);
        Logprobs.Write(Json, pieces, top, always: true);
        Json.EndObject();
    }

    private static string Reason(GenerationEnd end) => end.CalledTool ? "tool_calls" : end.Reason;
}
