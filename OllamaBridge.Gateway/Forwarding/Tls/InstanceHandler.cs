using System.Collections.Concurrent;
using System.Net.Security;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Forwarding.Tls;

/// <summary>Sends each request with the TLS settings of its instance (<see cref="InstanceTls.Option"/>). Equal settings share a handler.</summary>
internal sealed class InstanceHandler : HttpMessageHandler
{
    private readonly Func<SocketsHttpHandler> _create;
    private readonly TimeProvider _time;
    private readonly ILogger? _logger;
    private readonly HttpMessageInvoker _default;
    private readonly ConcurrentDictionary<InstanceTls, TlsClient> _clients = new();

    /// <param name="logger">For files that cannot be read any more; null for none.</param>
    public InstanceHandler(Func<SocketsHttpHandler> create, TimeProvider time, ILogger? logger)
    {
        (_create, _time, _logger) = (create, time, logger);
        var handler = create();
        handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = CertificateProblem.Check };
        _default = new HttpMessageInvoker(handler);
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (!request.Options.TryGetValue(InstanceTls.Option, out var tls))
            return _default.SendAsync(request, cancellationToken);
        return _clients.GetOrAdd(tls, key => new TlsClient(key, _create, _time, _logger)).SendAsync(request, cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _default.Dispose();
            foreach (var client in _clients.Values)
                client.Dispose();
        }

        base.Dispose(disposing);
    }
}
