using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Native;

/// <summary>Responses of /api/generate.</summary>
internal sealed class GenerateSink(Call call, bool streams, string model, int? topLogprobs, GenerationRequest request)
    : NativeSink(call, streams, model, topLogprobs)
{
    protected override void WritePiece(OutputPiece piece)
    {
        var thinks = piece.Kind == TokenKind.Thinking;
        Head();
        Json.Field("response"u8, thinks ? "" : piece.Text);
        if (thinks)
            Json.Field("thinking"u8, piece.Text);
        Json.Field("done"u8, false);
        Probabilities([piece]);
        Json.EndObject().Raw("\n"u8);
    }

    protected override void WriteEnd(GenerationEnd end)
    {
        Head();
        Json.Field("response"u8, "").Field("done"u8, true).Field("done_reason"u8, end.Reason);
        Context(end);
        Measures(end);
        Json.EndObject().Raw("\n"u8);
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Head();
        Json.Field("response"u8, Content.ToString());
        if (Thinking.Length > 0)
            Json.Field("thinking"u8, Thinking.ToString());
        Json.Field("done"u8, true).Field("done_reason"u8, end.Reason);
        Context(end);
        Measures(end);
        Probabilities(Pieces);
        Json.EndObject();
    }

    /// <summary>Writes the token numbers of prompt and response, with which a later request can continue; not in raw mode.</summary>
    private void Context(GenerationEnd end)
    {
        if (request.Raw)
            return;
        List<int> ids = [.. request.Context];
        Tokenizer.Ids(request.Prompt, ids);
        Tokenizer.Ids(end.Said, ids);
        Json.Name("context"u8).BeginArray();
        foreach (var id in ids)
            Json.Number(id);
        Json.EndArray();
    }
}
