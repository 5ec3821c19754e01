using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>Responses of /v1: server-sent events with "data: " before each object.</summary>
internal abstract class SseSink(Call call, bool streams, string model) : TokenSink(call, streams)
{
    protected string Model { get; } = model;

    protected long Created { get; } = call.Now.ToUnixTimeSeconds();

    protected override string StreamType => ContentTypes.EventStream;

    protected override string WholeType => ContentTypes.BareJson;

    protected void OpenEvent() => Json.Frame("data: "u8);

    protected void CloseEvent() => Json.Frame("\n\n"u8);

    protected void Done() => Json.Frame("data: [DONE]\n\n"u8);

    protected override void WriteMalformed() => Json.Frame("data: {\"id\":garbled\n\n"u8);

    protected void Usage(GenerationEnd end) => Json.Name("usage"u8).BeginObject()
        .Field("prompt_tokens"u8, end.PromptTokens)
        .Field("completion_tokens"u8, end.EvalTokens)
        .Field("total_tokens"u8, end.PromptTokens + end.EvalTokens)
        .EndObject();
}
