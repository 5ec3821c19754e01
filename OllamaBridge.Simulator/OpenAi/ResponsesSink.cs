using System.Text;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>Responses of /v1/responses: from response.created to response.completed.</summary>
internal sealed class ResponsesSink(Call call, bool streams, ResponseShape shape) : SseSink(call, streams, shape.Model)
{
    private readonly StringBuilder _said = new();
    private readonly List<ResponseItem> _items = [];
    private ResponseItem? _open;
    private int _sequence;

    protected override void Begin()
    {
        base.Begin();
        Call.Http.Response.Headers.CacheControl = "no-cache";
        Call.Http.Response.Headers.Connection = "keep-alive";
        foreach (var name in (ReadOnlySpan<string>)["response.created", "response.in_progress"])
        {
            Event(name).Name("response"u8);
            shape.Write(Json, "in_progress", null, _ => { }, null);
            Finish();
        }
    }

    protected override void WritePiece(OutputPiece piece)
    {
        if (_open is null || _open.Kind != piece.Kind)
        {
            CloseItem();
            OpenItem(new ResponseItem(piece.Kind, piece.Call));
        }
        _said.Append(piece.Call?.Arguments ?? piece.Text);
        Place(piece.Kind switch
        {
            TokenKind.Call => "response.function_call_arguments.delta",
            TokenKind.Thinking => "response.reasoning_summary_text.delta",
            _ => "response.output_text.delta",
        }).Field("delta"u8, piece.Call?.Arguments ?? piece.Text);
        if (piece.Kind == TokenKind.Content)
            Json.Json("logprobs"u8, "[]"u8);
        Finish();
    }

    protected override void WriteEnd(GenerationEnd end)
    {
        CloseItem();
        Event("response.completed").Name("response"u8);
        shape.Write(Json, "completed", Call.Now, WriteItems, end);
        Finish();
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        if (Thinking.Length > 0)
            _items.Add(new ResponseItem(TokenKind.Thinking, null) { Text = Thinking.ToString() });
        if (Content.Length > 0 || CalledTool is null)
            _items.Add(new ResponseItem(TokenKind.Content, null) { Text = Content.ToString() });
        if (CalledTool is { } made)
            _items.Add(new ResponseItem(TokenKind.Call, made) { Text = made.Arguments });
        shape.Write(Json, "completed", Call.Now, WriteItems, end);
        Json.Raw("\n"u8);
    }

    protected override void WriteFailure(ApiError error) => CloseItem();

    private void OpenItem(ResponseItem item)
    {
        _open = item;
        Event("response.output_item.added").Field("output_index"u8, _items.Count).Name("item"u8);
        item.Write(Json, "in_progress", "");
        Finish();
        if (item.Kind != TokenKind.Content)
            return;
        Place("response.content_part.added").Name("part"u8);
        ResponseItem.WritePart(Json, "");
        Finish();
    }

    private void CloseItem()
    {
        if (_open is not { } item)
            return;
        var text = _said.ToString();
        _said.Clear();
        if (item.Kind == TokenKind.Content)
        {
            Place("response.output_text.done").Field("text"u8, text).Json("logprobs"u8, "[]"u8);
            Finish();
            Place("response.content_part.done").Name("part"u8);
            ResponseItem.WritePart(Json, text);
            Finish();
        }
        Event("response.output_item.done").Field("output_index"u8, _items.Count).Name("item"u8);
        item.Write(Json, "completed", text);
        Finish();
        _items.Add(item);
        item.Text = text;
        _open = null;
    }

    private void WriteItems(GoJson json)
    {
        foreach (var item in _items)
            item.Write(json, "completed", item.Text);
    }

    private GoJson Place(string type) =>
        Event(type).Field("item_id"u8, _open!.Id).Field("output_index"u8, _items.Count).Field("content_index"u8, 0);

    private GoJson Event(string type) => Json.Frame("event: "u8).Raw(Encoding.UTF8.GetBytes(type)).Frame("\ndata: "u8)
        .BeginObject().Field("type"u8, type).Field("sequence_number"u8, _sequence++);

    private void Finish()
    {
        Json.EndObject();
        CloseEvent();
    }
}
