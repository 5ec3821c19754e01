using System.Net;
using System.Text;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>Requests as bytes, built before the measurement starts.</summary>
internal static class ChatRequest
{
    /// <summary>
    /// Builds one request to <c>/api/chat</c> with a response of the given number of tokens. Each conversation has another beginning, so that a bridge
    /// can spread them over the instances.
    /// </summary>
    public static ReadOnlyMemory<byte> Make(IPEndPoint server, string model, int conversation, int tokens, bool stream, string? key = null)
    {
        var body = $$$"""
            {"model":"{{{model}}}","messages":[{"role":"user","content":"Question {{{conversation}}}: why is the sky blue?"}],"stream":{{{(stream ? "true" : "false")}}},"options":{"num_predict":{{{tokens}}}}}
            """;
        var authorization = key is null ? "" : $"Authorization: Bearer {key}\r\n";
        return Encoding.ASCII.GetBytes(
            $"POST /api/chat HTTP/1.1\r\nHost: {server}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }
}
