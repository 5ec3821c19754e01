using System.Net.Security;

namespace OllamaBridge.Gateway.Forwarding.Tls;

/// <summary>TLS to a server whose certificate has another name than its address. <see cref="SocketsHttpHandler"/> takes that name from <c>Host</c>, which
/// Ollama checks. So the connection callback does the handshake, and the handler sends plain HTTP.</summary>
internal static class NamedTls
{
    /// <param name="handler">Has a <see cref="SocketsHttpHandler.ConnectCallback"/>.</param>
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

    public static void Prepare(HttpRequestMessage request)
    {
        if (request.RequestUri is not { } url || url.Scheme != Uri.UriSchemeHttps)
            return;
        request.Headers.Host ??= url.Authority;
        request.RequestUri = new UriBuilder(url) { Scheme = Uri.UriSchemeHttp, Port = url.Port }.Uri;
    }
}
