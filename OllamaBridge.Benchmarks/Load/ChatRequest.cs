using System.Net;
using System.Text;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>Requests as bytes, built before the measurement starts.</summary>
internal static class ChatRequest
{
    /// <summary>Builds one request to <c>/api/chat</c>.</summary>
    /// <param name="server">The address for the <c>Host</c> header.</param>
    /// <param name="model">The name of the model.</param>
    /// <param name="conversation">The number of the conversation. Each has another beginning, so that a bridge can spread them over the instances.</param>
    /// <param name="tokens">The length of the response.</param>
    /// <param name="stream">Whether the response is streamed.</param>
    /// <param name="key">The client's API key; null for none.</param>
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
