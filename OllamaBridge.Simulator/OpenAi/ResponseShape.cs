using OllamaBridge.Simulator.Chat;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>The object "response" of /v1/responses, including the repeated fields of the request.</summary>
internal sealed class ResponseShape(ChatRequest request, string instructions, DateTimeOffset created)
{
    private readonly string _id = "resp_" + Ids.Long();

    public string Model => request.Model;

    public void Write(GoJson json, string status, DateTimeOffset? completed, Action<GoJson> output, GenerationEnd? end)
    {
        json.BeginObject().Field("id"u8, _id).Field("object"u8, "response").Field("created_at"u8, created.ToUnixTimeSeconds());
        Maybe(json, "completed_at"u8, completed?.ToUnixTimeSeconds());
        json.Field("status"u8, status).Name("incomplete_details"u8).Null().Field("model"u8, request.Model)
            .Name("previous_response_id"u8).Null().Name("instructions"u8);
        if (instructions.Length > 0)
            json.String(instructions);
        else
            json.Null();
        json.Name("output"u8).BeginArray();
        output(json);
        json.EndArray().Name("error"u8).Null().Name("tools"u8).BeginArray();
        foreach (var tool in request.Tools)
            json.Value(System.Text.Encoding.UTF8.GetBytes(tool.GetRawText()));
        json.EndArray()
            .Field("tool_choice"u8, "auto").Field("truncation"u8, "disabled").Field("parallel_tool_calls"u8, true)
            .Json("text"u8, """{"format":{"type":"text"}}"""u8)
            .Field("top_p"u8, 1).Field("presence_penalty"u8, 0).Field("frequency_penalty"u8, 0).Field("top_logprobs"u8, 0)
            .Name("temperature"u8).Number(request.Options.Temperature ?? 1)
            .Name("reasoning"u8).Null();
        Usage(json, end);
        Maybe(json, "max_output_tokens"u8, request.Options.MaxTokens);
        json.Name("max_tool_calls"u8).Null().Field("store"u8, false).Field("background"u8, false).Field("service_tier"u8, "default")
            .Json("metadata"u8, "{}"u8).Name("safety_identifier"u8).Null().Name("prompt_cache_key"u8).Null()
            .EndObject();
    }

    private static void Usage(GoJson json, GenerationEnd? end)
    {
        json.Name("usage"u8);
        if (end is null)
        {
            json.Null();
            return;
        }
        json.BeginObject().Field("input_tokens"u8, end.PromptTokens).Field("output_tokens"u8, end.EvalTokens)
            .Field("total_tokens"u8, end.PromptTokens + end.EvalTokens)
            .Json("input_tokens_details"u8, """{"cached_tokens":0}"""u8)
            .Json("output_tokens_details"u8, """{"reasoning_tokens":0}"""u8)
            .EndObject();
    }

    private static void Maybe(GoJson json, ReadOnlySpan<byte> name, long? value)
    {
        json.Name(name);
        if (value is { } number)
            json.Number(number);
        else
            json.Null();
    }
}
