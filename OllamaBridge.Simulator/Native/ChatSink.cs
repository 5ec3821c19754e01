using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Native;

/// <summary>Responses of /api/chat.</summary>
internal sealed class ChatSink(Call call, bool streams, string model, int? topLogprobs) : NativeSink(call, streams, model, topLogprobs)
{
    protected override void WritePiece(OutputPiece piece)
    {
        var thinks = piece.Kind == TokenKind.Thinking;
        Head();
        Message(thinks ? "" : piece.Text, thinks ? piece.Text : "", piece.Call);
        Json.Field("done"u8, false);
        if (piece.Call is null)
            Probabilities([piece]);
        Json.EndObject().Raw("\n"u8);
    }

    protected override void WriteEnd(GenerationEnd end)
    {
        Head();
        Message("", "", null);
        Json.Field("done"u8, true).Field("done_reason"u8, end.Reason);
        Measures(end);
        Json.EndObject().Raw("\n"u8);
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Head();
        Message(Content.ToString(), Thinking.ToString(), CalledTool);
        Json.Field("done"u8, true).Field("done_reason"u8, end.Reason);
        Probabilities(Pieces);
        Measures(end);
        Json.EndObject();
    }

    private void Message(string content, string thinking, ToolCall? made)
    {
        Json.Name("message"u8).BeginObject().Field("role"u8, "assistant").Field("content"u8, content);
        if (thinking.Length > 0)
            Json.Field("thinking"u8, thinking);
        if (made is not null)
            ToolCallJson.Native(Json, made);
        Json.EndObject();
    }
}
