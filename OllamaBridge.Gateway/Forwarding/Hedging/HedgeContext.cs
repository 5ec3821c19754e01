using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>
/// One of several attempts of a request, as YARP's forwarder sees it. Each has its own request to read. A response reaches the client's response only
/// when it is written to, which only the winner's is.
/// </summary>
internal sealed class HedgeContext : IHttpRequestLifetimeFeature
{
    private readonly HttpContext _client;
    private readonly RestartableResponse _response;

    private HedgeContext(HttpContext client)
    {
        _client = client;
        RequestAborted = client.RequestAborted;
        _response = RestartableResponse.Over(client);
        var request = client.Request;
        var features = new FeatureCollection(client.Features);
        features.Set<IHttpRequestFeature>(new HttpRequestFeature
        {
            Method = request.Method,
            Scheme = request.Scheme,
            Protocol = request.Protocol,
            PathBase = request.PathBase,
            Path = request.Path,
            QueryString = request.QueryString.ToString(),
            RawTarget = client.Features.Get<IHttpRequestFeature>()!.RawTarget,
            Headers = new HeaderDictionary(request.Headers.ToDictionary(StringComparer.OrdinalIgnoreCase)),
        });
        features.Set<IHttpResponseFeature>(_response);
        features.Set<IHttpResponseBodyFeature>(_response);
        features.Set<IHttpRequestLifetimeFeature>(this);
        features.Set<IItemsFeature>(new ItemsFeature());
        Context = new DefaultHttpContext(features);
    }

    public HttpContext Context { get; }

    /// <summary>Whether the client gets this attempt's response.</summary>
    public bool IsSelected { get; private set; }

    public CancellationToken RequestAborted { get; set; }

    /// <summary>Creates a context without changing the client's request or response.</summary>
    public static HedgeContext Of(HttpContext client) => new(client);

    /// <summary>Makes this attempt's response the client's.</summary>
    public void Select() => IsSelected = true;

    /// <summary>Commits the response: even one without a body has a status and headers.</summary>
    public void Complete() => _response.Commit();

    /// <summary>Aborts the client's connection if the client gets this attempt's response.</summary>
    public void Abort()
    {
        if (IsSelected)
            _client.Abort();
    }
}
