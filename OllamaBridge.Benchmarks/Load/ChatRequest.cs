using System.Net;
using System.Text;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>Requests as bytes, made before the clock starts.</summary>
internal static class ChatRequest
{
    /// <summary>Makes one request to <c>/api/chat</c>.</summary>
    /// <param name="server">Whom it is for.</param>
    /// <param name="model">Which model.</param>
    /// <param name="conversation">Which conversation: each has its own beginning, so a bridge may spread them.</param>
    /// <param name="tokens">How long the answer is to be.</param>
    /// <param name="stream">Whether it is to be streamed.</param>
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
