using System.Net;
using System.Text;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Forwarding.Tls;

namespace OllamaBridge.Gateway.Forwarding;

internal static class InstanceClient
{
    private static readonly TimeSpan ProbeConnectionLifetime = TimeSpan.FromMilliseconds(500);

    /// <summary>HTTP/1.1 only, without redirects, decompression, cookies or retries. <paramref name="logger"/> gets TLS files that become unreadable.</summary>
    public static HttpMessageInvoker Create(IOptions<ForwardingOptions> options, TimeProvider? time = null, ILogger? logger = null) =>
        new(new InstanceHandler(() => CreateHandler(options.Value), time ?? TimeProvider.System, logger), disposeHandler: true);

    /// <summary>Each probe opens a connection: a kept one may lead to a server that accepts no more connections, or was replaced at its address.</summary>
    public static HttpMessageInvoker CreateForProbes(IOptions<ForwardingOptions> options, TimeProvider? time = null) =>
        // The requests of one probe share the connection.
        new(new InstanceHandler(() => CreateHandler(options.Value, ProbeConnectionLifetime), time ?? TimeProvider.System, logger: null), disposeHandler: true);

    /// <param name="lifetime">How long connections take new requests; ten minutes if null.</param>
    public static SocketsHttpHandler CreateHandler(ForwardingOptions options, TimeSpan? lifetime = null) => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        // Close the connection of an abandoned response instead of draining it: that notifies the instance.
        MaxResponseDrainSize = 0,
        ResponseDrainTimeout = TimeSpan.Zero,
        ConnectTimeout = options.ConnectTimeout,
        ConnectCallback = ConnectionUse.ConnectAsync,
        // Headers pass byte for byte, regardless of the client's encoding.
        RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        // Resolve names again at intervals: an instance may have moved.
        PooledConnectionLifetime = lifetime ?? TimeSpan.FromMinutes(10),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        // The bridge creates the span of each attempt. A second span for the same request would add cost without information, even if no trace is kept.
        ActivityHeadersPropagator = null,
    };
}

/// <summary>Sends each request over a new connection. Used for rare requests, and for retries after a stale connection.</summary>
internal sealed class FreshConnectionClient(IOptions<ForwardingOptions> options, TimeProvider time)
    : HttpMessageInvoker(new InstanceHandler(() => InstanceClient.CreateHandler(options.Value, TimeSpan.Zero), time, logger: null), disposeHandler: true);
