using System.Net;
using System.Text;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Forwarding.Tls;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The connections to instances: one pool for requests, one for probes.</summary>
internal static class InstanceClient
{
    private static readonly TimeSpan ProbeConnectionLifetime = TimeSpan.FromMilliseconds(500);

    /// <summary>Makes the client. HTTP/1.1 alone, as instances speak nothing else; it does not follow redirects, decompress, keep cookies or retry.</summary>
    /// <param name="options">Time-outs.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="logger">For TLS files that cannot be read any more; null for none.</param>
    public static HttpMessageInvoker Create(IOptions<ForwardingOptions> options, TimeProvider? time = null, ILogger? logger = null) =>
        new(new InstanceHandler(() => CreateHandler(options.Value), time ?? TimeProvider.System, logger), disposeHandler: true);

    /// <summary>
    /// Makes the client of probes. A probe opens a connection: a kept one may lead to a server that accepts no others any more, or to one that another has
    /// replaced at its address.
    /// </summary>
    public static HttpMessageInvoker CreateForProbes(IOptions<ForwardingOptions> options, TimeProvider? time = null) =>
        // The requests of one probe share it.
        new(new InstanceHandler(() => CreateHandler(options.Value, ProbeConnectionLifetime), time ?? TimeProvider.System, logger: null), disposeHandler: true);

    /// <summary>Makes the handler of a client.</summary>
    /// <param name="options">Time-outs.</param>
    /// <param name="lifetime">How long a connection is used for new requests; null for ten minutes.</param>
    public static SocketsHttpHandler CreateHandler(ForwardingOptions options, TimeSpan? lifetime = null) => new()
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
        PooledConnectionLifetime = lifetime ?? TimeSpan.FromMinutes(10),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        // The span of each sending is the bridge's own: a second one around the same request would say less, and costs one even where no trace is kept.
        ActivityHeadersPropagator = null,
    };
}

/// <summary>Sends each request over a new connection: rare requests, and those that met a stale one.</summary>
internal sealed class FreshConnectionClient(IOptions<ForwardingOptions> options, TimeProvider time)
    : HttpMessageInvoker(new InstanceHandler(() => InstanceClient.CreateHandler(options.Value, TimeSpan.Zero), time, logger: null), disposeHandler: true);
