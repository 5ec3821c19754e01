using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The connections to instances: one pool for requests and for looks at their health.</summary>
internal static class InstanceClient
{
    /// <summary>Makes the client. HTTP/1.1 alone, as instances speak nothing else; nothing follows, unpacks, stores or retries on its own.</summary>
    public static HttpMessageInvoker Create(IOptions<ForwardingOptions> options) => new(
        new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = options.Value.ConnectTimeout,
            // Names are looked up again now and then: an instance may have moved.
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            ActivityHeadersPropagator = DistributedContextPropagator.CreateDefaultPropagator(),
        },
        disposeHandler: true);
}
