using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>
/// One of several sendings of a request, as YARP's forwarder sees it: a request of its own to read from, and a response that reaches the
/// client's only when something is written to it, which only the first that answers does.
/// </summary>
internal sealed class HedgeContext : IHttpRequestLifetimeFeature
{
    private readonly HttpContext _client;
    private readonly BegunResponse _response;

    private HedgeContext(HttpContext client)
    {
        _client = client;
        RequestAborted = client.RequestAborted;
        _response = BegunResponse.Over(client);
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

    /// <summary>What the forwarder is given.</summary>
    public HttpContext Context { get; }

    /// <summary>Whether this is the one that the client hears.</summary>
    public bool IsHeard { get; private set; }

    /// <inheritdoc/>
    public CancellationToken RequestAborted { get; set; }

    /// <summary>Makes one. Nothing of the client's request or response is changed.</summary>
    public static HedgeContext Of(HttpContext client) => new(client);

    /// <summary>From now on this is the one that the client hears.</summary>
    public void Hear() => IsHeard = true;

    /// <summary>Its answer has ended: also one without a body has a status and headers.</summary>
    public void Complete() => _response.Commit();

    /// <summary>The client's connection is broken off only by whom it hears.</summary>
    public void Abort()
    {
        if (IsHeard)
            _client.Abort();
    }
}
