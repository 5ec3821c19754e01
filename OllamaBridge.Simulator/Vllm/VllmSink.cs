using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.OpenAi;

namespace OllamaBridge.Simulator.Vllm;

/// <summary>Common parts of vLLM's streams: no fingerprint, long ids, usage only on request, explicit errors.</summary>
internal abstract class VllmSink(Call call, bool streams, string model, bool includeUsage, string prefix) : SseSink(call, streams, model)
{
    private readonly string _id = prefix + Guid.NewGuid().ToString("N");

    protected override string StreamType => ContentTypes.EventStream + "; charset=utf-8";

    protected abstract string Chunk { get; }

    protected abstract string Whole { get; }

    protected override void WriteEnd(GenerationEnd end)
    {
        WriteFinish(end);
        if (includeUsage)
        {
            OpenEvent();
            Head(Chunk);
            Json.Name("choices"u8).BeginArray().EndArray();
            Usage(end);
            Json.EndObject();
            CloseEvent();
        }

        Done();
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Head(Whole);
        Json.Name("choices"u8).BeginArray().BeginObject().Field("index"u8, 0);
        WriteChoice();
        Finish(end.Reason);
        Json.EndObject().EndArray();
        Usage(end);
        Json.EndObject();
    }

    protected override void WriteFailure(ApiError error)
    {
        OpenEvent();
        VllmRoutes.WriteError(Json, error);
        CloseEvent();
        Done();
    }

    protected abstract void WriteFinish(GenerationEnd end);

    /// <summary>Writes the whole response in its choice.</summary>
    protected abstract void WriteChoice();

    protected void Open()
    {
        OpenEvent();
        Head(Chunk);
        Json.Name("choices"u8).BeginArray().BeginObject().Field("index"u8, 0);
    }

    protected void Close(string? reason)
    {
        Finish(reason);
        Json.EndObject().EndArray().EndObject();
        CloseEvent();
    }

    private void Finish(string? reason)
    {
        Json.Name("logprobs"u8).Null().Name("finish_reason"u8);
        if (reason is null)
            Json.Null();
        else
            Json.String(reason).Name("stop_reason"u8).Null();
    }

    private void Head(string kind) => Json.BeginObject()
        .Field("id"u8, _id).Field("object"u8, kind).Field("created"u8, Created).Field("model"u8, Model);
}

/// <summary>Responses of /v1/chat/completions: the first chunk has only the role.</summary>
internal sealed class VllmChatSink(Call call, bool streams, string model, bool includeUsage)
    : VllmSink(call, streams, model, includeUsage, "chatcmpl-")
{
    protected override string Chunk => "chat.completion.chunk";

    protected override string Whole => "chat.completion";

    protected override void Begin()
    {
        base.Begin();
        Open();
        Json.Name("delta"u8).BeginObject().Field("role"u8, "assistant").Field("content"u8, "").EndObject();
        Close(null);
    }

    protected override void WritePiece(OutputPiece piece)
    {
        Open();
        Json.Name("delta"u8).BeginObject();
        if (piece.Kind == Text.TokenKind.Thinking)
            Json.Field("reasoning_content"u8, piece.Text);
        else
            Json.Field("content"u8, piece.Text);
        Json.EndObject();
        Close(null);
    }

    protected override void WriteFinish(GenerationEnd end)
    {
        Open();
        Json.Name("delta"u8).BeginObject().Field("content"u8, "").EndObject();
        Close(end.Reason);
    }

    protected override void WriteChoice()
    {
        Json.Name("message"u8).BeginObject().Field("role"u8, "assistant").Field("content"u8, Content.ToString());
        if (Thinking.Length > 0)
            Json.Field("reasoning_content"u8, Thinking.ToString());
        Json.EndObject();
    }
}

/// <summary>Responses of /v1/completions.</summary>
internal sealed class VllmCompletionsSink(Call call, bool streams, string model, bool includeUsage)
    : VllmSink(call, streams, model, includeUsage, "cmpl-")
{
    protected override string Chunk => "text_completion";

    protected override string Whole => "text_completion";

    protected override void WritePiece(OutputPiece piece)
    {
        Open();
        Json.Field("text"u8, piece.Text);
        Close(null);
    }

    protected override void WriteFinish(GenerationEnd end)
    {
        Open();
        Json.Field("text"u8, "");
        Close(end.Reason);
    }

    protected override void WriteChoice() => Json.Field("text"u8, Content.ToString());
}
