using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>One of several attempts of a request, as YARP's forwarder sees it. Only the winner writes to the client's response.</summary>
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

    public bool IsSelected { get; private set; }

    public CancellationToken RequestAborted { get; set; }

    public static HedgeContext Of(HttpContext client) => new(client);

    public void Select() => IsSelected = true;

    public void Complete() => _response.Commit();

    public void Abort()
    {
        if (IsSelected)
            _client.Abort();
    }
}
