using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>Responses of /v1/completions.</summary>
internal sealed class CompletionsSink(Call call, bool streams, string model, bool includeUsage) : SseSink(call, streams, model)
{
    private readonly string _id = "cmpl-" + Ids.Short();

    protected override void WritePiece(OutputPiece piece) => Chunk(piece.Kind == TokenKind.Thinking ? "" : piece.Text, null, Model);

    protected override void WriteEnd(GenerationEnd end)
    {
        Chunk("", end.Reason, Model);
        if (includeUsage)
        {
            OpenEvent();
            Json.BeginObject().Field("id"u8, _id).Field("object"u8, "text_completion").Field("created"u8, Created)
                .Name("choices"u8).BeginArray().EndArray().Field("model"u8, Model).Field("system_fingerprint"u8, "fp_ollama");
            Usage(end);
            Json.EndObject();
            CloseEvent();
        }
        Done();
    }

    protected override void WriteWhole(GenerationEnd end)
    {
        Json.BeginObject().Field("id"u8, _id).Field("object"u8, "text_completion").Field("created"u8, Created)
            .Field("model"u8, Model).Field("system_fingerprint"u8, "fp_ollama");
        Choice(Content.ToString(), end.Reason);
        Usage(end);
        Json.EndObject().Raw("\n"u8);
    }

    protected override void WriteFailure(ApiError error) => Chunk("", null, "");

    private void Chunk(string text, string? reason, string model)
    {
        OpenEvent();
        Json.BeginObject().Field("id"u8, _id).Field("object"u8, "text_completion").Field("created"u8, Created);
        Choice(text, reason);
        Json.Field("model"u8, model).Field("system_fingerprint"u8, "fp_ollama").EndObject();
        CloseEvent();
    }

    private void Choice(string text, string? reason)
    {
        Json.Name("choices"u8).BeginArray().BeginObject().Field("text"u8, text).Field("index"u8, 0).Name("finish_reason"u8);
        if (reason is null)
            Json.Null();
        else
            Json.String(reason);
        Json.EndObject().EndArray();
    }
}
