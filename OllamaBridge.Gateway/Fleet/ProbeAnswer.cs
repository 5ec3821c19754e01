using System.Net;
using System.Text.Json;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>A server's response to one request of a probe.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Body">The body.</param>
/// <param name="Location">The target of a redirect; null for none.</param>
internal readonly record struct ProbeAnswer(HttpStatusCode Status, ReadOnlyMemory<byte> Body, string? Location = null)
{
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    /// <summary>Whether the server lacks the route: 404, 405 or 501.</summary>
    public bool IsMissing => Status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented;

    /// <summary>Whether the server rejects the bridge's credentials: 401 or 403.</summary>
    public bool IsRefused => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <summary>Throws if the response is no success.</summary>
    /// <param name="path">The requested path.</param>
    /// <exception cref="HttpRequestException">Contains the path and the status.</exception>
    public void Require(string path)
    {
        if (!IsSuccess)
            throw new HttpRequestException($"{path} responded with {(int)Status}{(Location is null ? "" : $", a redirect to {Location}")}");
    }

    /// <summary>The body as a JSON object; null if it is none.</summary>
    public JsonElement? ReadObject()
    {
        try
        {
            var element = JsonElement.Parse(Body.Span);
            return element.ValueKind == JsonValueKind.Object ? element : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
