using System.Net.Security;

namespace OllamaBridge.Gateway.Forwarding.Tls;

/// <summary>
/// TLS to a server whose certificate has another name than its address. <see cref="SocketsHttpHandler"/> takes that name from the header <c>Host</c>,
/// which servers read as well and Ollama checks. So the handshake is part of opening the connection here, and the handler sends plain HTTP over it.
/// </summary>
internal static class NamedTls
{
    /// <summary>Makes a handler speak TLS on each connection that it opens.</summary>
    /// <param name="handler">The handler; it has a <see cref="SocketsHttpHandler.ConnectCallback"/>.</param>
    /// <param name="options">The settings of the handshake.</param>
    /// <param name="name">The name that the certificate must have.</param>
    public static void Use(SocketsHttpHandler handler, SslClientAuthenticationOptions options, string name)
    {
        options.TargetHost = name;
        var connect = handler.ConnectCallback!;
        handler.ConnectCallback = async (context, cancellationToken) =>
        {
            var stream = new SslStream(await connect(context, cancellationToken));
            try
            {
                await stream.AuthenticateAsClientAsync(options, cancellationToken);
                return stream;
            }
            catch
            {
                await stream.DisposeAsync();
                throw;
            }
        };
    }

    /// <summary>Makes a request one for such a handler. Its <c>Host</c> stays that of its address.</summary>
    public static void Prepare(HttpRequestMessage request)
    {
        if (request.RequestUri is not { } url || url.Scheme != Uri.UriSchemeHttps)
            return;
        request.Headers.Host ??= url.Authority;
        request.RequestUri = new UriBuilder(url) { Scheme = Uri.UriSchemeHttp, Port = url.Port }.Uri;
    }
}
