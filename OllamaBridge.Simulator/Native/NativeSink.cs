using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Responses of /api/chat and /api/generate: NDJSON, one object per line.</summary>
internal abstract class NativeSink(Call call, bool streams, string model, int? topLogprobs) : TokenSink(call, streams)
{
    protected string Model { get; } = model;

    protected int? TopLogprobs { get; } = topLogprobs;

    protected override string StreamType => ContentTypes.NdJson;

    protected void Head() => Json.BeginObject().Field("model"u8, Model).Field("created_at"u8, Call.Now);

    protected void Measures(GenerationEnd end) => Json
        .Field("total_duration"u8, end.TotalDuration)
        .Field("load_duration"u8, end.LoadDuration)
        .Field("prompt_eval_count"u8, end.PromptTokens)
        .Field("prompt_eval_duration"u8, end.PromptDuration)
        .Field("eval_count"u8, end.EvalTokens)
        .Field("eval_duration"u8, end.EvalDuration);

    protected void Probabilities(IEnumerable<OutputPiece> pieces)
    {
        if (TopLogprobs is not { } top)
            return;
        Json.Name("logprobs"u8);
        Logprobs.Write(Json, pieces, top, always: false);
    }

    protected override void WriteFailure(ApiError error) => Json.BeginObject().Field("error"u8, error.Message).EndObject().Raw("\n"u8);
}
