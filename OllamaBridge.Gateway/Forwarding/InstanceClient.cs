using System.Net;
using System.Text;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The connections to instances: one pool for requests and for looks at their health.</summary>
internal static class InstanceClient
{
    private static readonly TimeSpan ProbeConnectionLifetime = TimeSpan.FromMilliseconds(500);

    /// <summary>Makes the client. HTTP/1.1 alone, as instances speak nothing else; nothing follows, unpacks, stores or retries on its own.</summary>
    public static HttpMessageInvoker Create(IOptions<ForwardingOptions> options) => new(CreateHandler(options.Value), disposeHandler: true);

    /// <summary>
    /// Makes the client of health checks. A check opens a connection: a kept one may lead to a server that accepts no others any more, or to one that another has
    /// replaced at its address.
    /// </summary>
    public static HttpMessageInvoker CreateForProbes(IOptions<ForwardingOptions> options)
    {
        var handler = CreateHandler(options.Value);
        // The requests of one check share it.
        handler.PooledConnectionLifetime = ProbeConnectionLifetime;
        return new HttpMessageInvoker(handler, disposeHandler: true);
    }

    /// <summary>Makes the handler of a client.</summary>
    public static SocketsHttpHandler CreateHandler(ForwardingOptions options) => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        // An abandoned answer is cut, not read to its end: that is how the instance learns of it.
        MaxResponseDrainSize = 0,
        ResponseDrainTimeout = TimeSpan.Zero,
        ConnectTimeout = options.ConnectTimeout,
        ConnectCallback = ConnectionUse.ConnectAsync,
        // Byte for byte: what a client writes into a header reaches the instance as it is, whatever encoding it is.
        RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        // Names are looked up again now and then: an instance may have moved.
        PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        // The span of each sending is the bridge's own: a second one around the same request would say less, and costs one even where no trace is kept.
        ActivityHeadersPropagator = null,
    };
}

/// <summary>Sends each request over a new connection: rare requests, and those that met a stale one.</summary>
internal sealed class FreshConnectionClient(IOptions<ForwardingOptions> options) : HttpMessageInvoker(CreateHandler(options.Value), disposeHandler: true)
{
    private static SocketsHttpHandler CreateHandler(ForwardingOptions options)
    {
        var handler = InstanceClient.CreateHandler(options);
        handler.PooledConnectionLifetime = TimeSpan.Zero;
        return handler;
    }
}
