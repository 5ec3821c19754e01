using System.Net;
using System.Text.Json;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What a server answered to one question of a probe.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The body.</param>
/// <param name="Location">Where a redirect leads to; null for none.</param>
internal readonly record struct ProbeAnswer(HttpStatusCode Status, ReadOnlyMemory<byte> Body, string? Location = null)
{
    /// <summary>Whether the status says that the server answered as asked.</summary>
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    /// <summary>Whether the server does not have the route: 404, 405 or 501.</summary>
    public bool IsMissing => Status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented;

    /// <summary>Whether the server refuses the bridge: 401 or 403.</summary>
    public bool IsRefused => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <summary>Throws if the answer is no success.</summary>
    /// <param name="path">What was asked.</param>
    /// <exception cref="HttpRequestException">Says what was asked and what came.</exception>
    public void Require(string path)
    {
        if (!IsSuccess)
            throw new HttpRequestException($"{path} answered {(int)Status}{(Location is null ? "" : $", a redirect to {Location}")}");
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
