using OllamaBridge.Simulator.Generation;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.OpenAi;

/// <summary>One item of a response's output: a message, a reasoning, a call.</summary>
internal sealed class ResponseItem(TokenKind kind, ToolCall? made)
{
    public TokenKind Kind { get; } = kind;

    public string Id { get; } = (kind switch { TokenKind.Call => "fc_", TokenKind.Thinking => "rs_", _ => "msg_" }) + Ids.Long();

    public string Text { get; set; } = "";

    public void Write(GoJson json, string status, string text)
    {
        json.BeginObject().Field("id"u8, Id);
        switch (Kind)
        {
            case TokenKind.Call:
                json.Field("type"u8, "function_call").Field("status"u8, status).Field("call_id"u8, "call_" + made!.Id)
                    .Field("name"u8, made.Name).Field("arguments"u8, text);
                break;
            case TokenKind.Thinking:
                json.Field("type"u8, "reasoning").Name("summary"u8).BeginArray();
                if (text.Length > 0)
                    json.BeginObject().Field("type"u8, "summary_text").Field("text"u8, text).EndObject();
                json.EndArray();
                break;
            default:
                json.Field("type"u8, "message").Field("status"u8, status).Field("role"u8, "assistant").Name("content"u8).BeginArray();
                if (status == "completed")
                    WritePart(json, text);
                json.EndArray();
                break;
        }
        json.EndObject();
    }

    public static void WritePart(GoJson json, string text) => json.BeginObject()
        .Field("type"u8, "output_text").Field("text"u8, text).Json("annotations"u8, "[]"u8).Json("logprobs"u8, "[]"u8).EndObject();
}
