using System.Text.Json;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Classifies error responses by kind of failure. Pure. <see cref="FaultClassifier"/> decides on the fault.</summary>
internal static class UpstreamErrorClassifier
{
    /// <param name="body">May be truncated; empty if <paramref name="isHead"/>.</param>
    /// <param name="byBridgesKey">The bridge's own key was sent: its refusal is not the client's fault.</param>
    /// <returns>Null if the server itself rejects the request.</returns>
    public static InstanceFailure? Judge(Operation operation, int status, ReadOnlySpan<byte> body, bool byBridgesKey = false, bool isHead = false) => status switch
    {
        StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden when byBridgesKey => InstanceFailure.ServerError,
        >= StatusCodes.Status500InternalServerError => MemoryFailure.IsToldBy(body) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError,
        // An instance's own limit, or that of a proxy in front of it; another may have room.
        StatusCodes.Status429TooManyRequests => InstanceFailure.ServerError,
        _ when isHead => null,
        // A proxy, tunnel or login page in front of one instance: another instance may be reachable.
        _ when !IsServersOwn(body) => InstanceFailure.ServerError,
        // The wording of Ollama and of vLLM: the bridge's catalog is out of date.
        StatusCodes.Status404NotFound when operation.NeedsModel && (body.IndexOf("not found"u8) >= 0 || body.IndexOf("` does not exist"u8) >= 0) =>
            InstanceFailure.StaleCatalog,
        _ => null,
    };

    public static bool IsBridgesFault(int status, InstanceFailure? failure) =>
        failure is not null && status is (StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden);

    /// <summary>A proxy's HTML page: the status is 502 unless the page's own applies to any sender. Its 404 does not mean an unknown model.</summary>
    public static int StatusOfPage(int status) => status switch
    {
        >= StatusCodes.Status500InternalServerError or StatusCodes.Status413PayloadTooLarge or StatusCodes.Status429TooManyRequests => status,
        _ => StatusCodes.Status502BadGateway,
    };

    public static bool IsBusy(int status) => status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status429TooManyRequests;

    /// <summary>A JSON object with <c>error</c> (Ollama, llama-server, vLLM, TGI), <c>detail</c> (FastAPI) or <c>"object":"error"</c> (older vLLM).</summary>
    public static bool IsServersOwn(ReadOnlySpan<byte> body)
    {
        try
        {
            // Not the final block: a long error may be truncated.
            var reader = new Utf8JsonReader(body, isFinalBlock: false, default);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("error"u8) || reader.ValueTextEquals("detail"u8))
                    return true;
                var isObject = reader.ValueTextEquals("object"u8);
                if (!reader.Read() || (isObject && reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("error"u8)))
                    return isObject;
                if (!reader.TrySkip())
                    return false;
            }

            return false;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
