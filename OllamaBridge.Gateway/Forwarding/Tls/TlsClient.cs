using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Tls;

/// <summary>Sends requests with TLS settings whose files may change: new requests use a changed file at once, running ones end with the old one.</summary>
internal sealed class TlsClient(InstanceTls tls, Func<SocketsHttpHandler> create, TimeProvider time, ILogger? logger) : IDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private readonly Lock _lock = new();
    private HttpMessageInvoker? _client;
    private byte[] _content = [];
    private long _lookedAt;
    private bool _isUnreadable;

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        HttpMessageInvoker client;
        try
        {
            client = Current();
        }
        catch (Exception e) when (IsFileProblem(e))
        {
            return Task.FromException<HttpResponseMessage>(
                new HttpRequestException(HttpRequestError.SecureConnectionError, null, new CertificateException($"a file of Tls cannot be used: {e.Message}")));
        }

        if (tls.ServerName is not null)
            NamedTls.Prepare(request);
        return client.SendAsync(request, cancellationToken);
    }

    public void Dispose()
    {
        lock (_lock)
            _client?.Dispose();
    }

    private HttpMessageInvoker Current()
    {
        lock (_lock)
        {
            if (_client is { } known && time.GetElapsedTime(_lookedAt) < LookInterval)
                return known;
            _lookedAt = time.GetTimestamp();
            try
            {
                var content = Read();
                if (_client is null || !content.AsSpan().SequenceEqual(_content))
                {
                    var client = Create();
                    // Ends its idle connections; those in use end with their requests.
                    _client?.Dispose();
                    (_client, _content) = (client, content);
                }

                _isUnreadable = false;
            }
            catch (Exception e) when (_client is not null && IsFileProblem(e))
            {
                // Perhaps half written: the certificates that were read before stay in use.
                if (logger is not null && !_isUnreadable)
                    ForwardingLog.TlsFilesUnreadable(logger, e.Message);
                _isUnreadable = true;
            }

            return _client;
        }
    }

    private HttpMessageInvoker Create()
    {
        var options = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = CertificateProblem.Check };
        if (tls.CaFile is { } file)
        {
            options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(InstanceTls.LoadAuthorities(file));
        }

        if (tls.ClientCertificate is not null)
        {
            var (certificate, others) = tls.LoadClient();
            options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, others, offline: true);
        }

        var handler = create();
        if (tls.ServerName is { } name)
            NamedTls.Use(handler, options, name);
        else
            handler.SslOptions = options;
        return new HttpMessageInvoker(handler);
    }

    /// <summary>A file's time is no evidence of a change: in Kubernetes it is a link into a folder that is replaced.</summary>
    private byte[] Read() => [.. new[] { tls.CaFile, tls.ClientCertificate, tls.ClientKey }.OfType<string>().SelectMany(f => SHA256.HashData(File.ReadAllBytes(f)))];

    private static bool IsFileProblem(Exception e) =>
        e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or NotSupportedException;
}
