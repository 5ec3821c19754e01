using System.Text;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.OpenAi;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Anthropic;

/// <summary>Responses of /v1/messages: named events around content blocks.</summary>
internal sealed class MessagesSink(Call call, bool streams, string model, int estimatedTokens) : SseSink(call, streams, model)
{
    private readonly string _id = "msg_" + Ids.Hex();
    private TokenKind? _block;
    private int _index = -1;

    protected override void Begin()
    {
        base.Begin();
        Call.Http.Response.Headers.CacheControl = "no-cache";
        Call.Http.Response.Headers.Connection = "keep-alive";
        Event("message_start"u8).Name("message"u8).BeginObject()
            .Field("id"u8, _id).Field("type"u8, "message").Field("role"u8, "assistant").Field("model"u8, Model)
            .Name("content"u8).BeginArray().EndArray()
            .Name("usage"u8).BeginObject().Field("input_tokens"u8, estimatedTokens).Field("output_tokens"u8, 0).EndObject()
            .EndObject();
        Finish();
    }

    protected override void WritePiece(OutputPiece piece)
    {
        if (_block != piece.Kind)
        {
            CloseBlock();
            OpenBlock(piece);
        }
        Event("content_block_delta"u8).Field("index"u8, _index).Name("delta"u8).BeginObject();
        if (piece.Call is { } made)
            Json.Field("type"u8, "input_json_delta").Field("partial_json"u8, made.Arguments);
        else if (piece.Kind == TokenKind.Thinking)
            Json.Field("type"u8, "thinking_delta").Field("thinking"u8, piece.Text);
        else
            Json.Field("type"u8, "text_delta").Field("text"u8, piece.Text);
        Json.EndObject();
        Finish();
    }

    protected override void WriteEnd(GenerationEnd end)
    {
        CloseBlock();
        Event("message_delta"u8).Name("delta"u8).BeginObject().Field("stop_reason"u8, Reason(end)).EndObject();
        UsageOf(end);
        Finish();
        Event("message_stop"u8);
        Finish();
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Json.BeginObject().Field("id"u8, _id).Field("type"u8, "message").Field("role"u8, "assistant").Field("model"u8, Model)
            .Name("content"u8).BeginArray();
        if (Thinking.Length > 0)
            Json.BeginObject().Field("type"u8, "thinking").Field("thinking"u8, Thinking.ToString()).EndObject();
        if (Content.Length > 0)
            Json.BeginObject().Field("type"u8, "text").Field("text"u8, Content.ToString()).EndObject();
        if (CalledTool is { } made)
        {
            Json.BeginObject().Field("type"u8, "tool_use").Field("id"u8, "call_" + made.Id).Field("name"u8, made.Name)
                .Json("input"u8, Encoding.UTF8.GetBytes(made.Arguments)).EndObject();
        }
        Json.EndArray().Field("stop_reason"u8, Reason(end));
        UsageOf(end);
        Json.EndObject().Raw("\n"u8);
    }

    /// <summary>The error is not sent, as on the other /v1 routes: the stream ends without message_stop.</summary>
    protected override void WriteFailure(ApiError error) => CloseBlock();

    protected override void WriteMalformed() => Json.Frame("event: content_block_delta\ndata: {\"type\":garbled\n\n"u8);

    private void OpenBlock(OutputPiece piece)
    {
        _block = piece.Kind;
        _index++;
        Event("content_block_start"u8).Field("index"u8, _index).Name("content_block"u8).BeginObject();
        if (piece.Call is { } made)
            Json.Field("type"u8, "tool_use").Field("id"u8, "call_" + made.Id).Field("name"u8, made.Name).Json("input"u8, "{}"u8);
        else if (piece.Kind == TokenKind.Thinking)
            Json.Field("type"u8, "thinking").Field("thinking"u8, "");
        else
            Json.Field("type"u8, "text").Field("text"u8, "");
        Json.EndObject();
        Finish();
    }

    private void CloseBlock()
    {
        if (_block is null)
            return;
        _block = null;
        Event("content_block_stop"u8).Field("index"u8, _index);
        Finish();
    }

    private GoJson Event(ReadOnlySpan<byte> type) =>
        Json.Frame("event: "u8).Raw(type).Frame("\ndata: "u8).BeginObject().Field("type"u8, Encoding.UTF8.GetString(type));

    private void Finish()
    {
        Json.EndObject();
        CloseEvent();
    }

    private void UsageOf(GenerationEnd end) => Json.Name("usage"u8).BeginObject()
        .Field("input_tokens"u8, end.PromptTokens).Field("output_tokens"u8, end.EvalTokens).EndObject();

    private static string Reason(GenerationEnd end) =>
        end.CalledTool ? "tool_use" : end.Reason == "length" ? "max_tokens" : "end_turn";
}
