using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Creates requests to <c>/api/generate</c> that continue a raw text. Pure.</summary>
internal static class RawRequest
{
    public static JsonObject Create(ForwardedCall call, ResumableRequest request, string text, long? limit)
    {
        var body = new JsonObject
        {
            ["model"] = call.Model.SentName,
            ["prompt"] = text,
            ["raw"] = true,
            ["stream"] = true,
            // The server separates thinking from content even in raw responses, unless thinking is off.
            ["think"] = false,
            // A truncated prompt would be a different one.
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
