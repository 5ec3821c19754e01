using System.Text;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Writes tool calls in the formats of Ollama and OpenAI.</summary>
internal static class ToolCallJson
{
    public static void Native(GoJson json, ToolCall call) => json.Name("tool_calls"u8).BeginArray().BeginObject()
        .Field("id"u8, "call_" + call.Id)
        .Name("function"u8).BeginObject()
        .Field("index"u8, 0)
        .Field("name"u8, call.Name)
        .Json("arguments"u8, Encoding.UTF8.GetBytes(call.Arguments))
        .EndObject().EndObject().EndArray();

    public static void OpenAi(GoJson json, ToolCall call) => json.Name("tool_calls"u8).BeginArray().BeginObject()
        .Field("id"u8, "call_" + call.Id)
        .Field("index"u8, 0)
        .Field("type"u8, "function")
        .Name("function"u8).BeginObject()
        .Field("name"u8, call.Name)
        .Field("arguments"u8, call.Arguments)
        .EndObject().EndObject().EndArray();
}
