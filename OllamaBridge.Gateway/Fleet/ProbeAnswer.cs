using System.Net;
using System.Text.Json;

namespace OllamaBridge.Gateway.Fleet;

internal readonly record struct ProbeAnswer(HttpStatusCode Status, ReadOnlyMemory<byte> Body, string? Location = null)
{
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    public bool IsMissing => Status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented;

    public bool IsRefused => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <exception cref="HttpRequestException">The response is no success. Contains the path and the status.</exception>
    public void Require(string path)
    {
        if (!IsSuccess)
            throw new HttpRequestException($"{path} responded with {(int)Status}{(Location is null ? "" : $", a redirect to {Location}")}");
    }

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
