using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Requests that have an instance continue a text as it is. Pure.</summary>
internal static class RawRequest
{
    /// <summary>Makes the body for <c>/api/generate</c>.</summary>
    /// <param name="call">The client's request.</param>
    /// <param name="request">Its body.</param>
    /// <param name="text">The text.</param>
    /// <param name="limit">Tokens at most; null for the model's limit.</param>
    public static JsonObject Create(BridgeCall call, ContinuableRequest request, string text, long? limit)
    {
        var body = new JsonObject
        {
            ["model"] = call.SentModel,
            ["prompt"] = text,
            ["raw"] = true,
            ["stream"] = true,
            // The server separates thinking from content even in raw answers, unless it is told not to.
            ["think"] = false,
            // A prompt that was cut would be another.
            ["truncate"] = false,
            ["options"] = RawOptions.From(call.Operation.Protocol, request.Body, limit),
        };
        if (call.Operation.Protocol == Protocol.Ollama)
            foreach (var name in (ReadOnlySpan<string>)["keep_alive", "shift"])
                if (request.Body[name] is { } value)
                    body[name] = value.DeepClone();
        return body;
    }
}
