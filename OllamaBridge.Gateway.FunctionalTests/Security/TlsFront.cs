using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>A reverse proxy that terminates TLS for a server without it.</summary>
internal sealed class TlsFront : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<(string Sni, string? Client)> _handshakes = new();
    private readonly Uri _server;
    private readonly Task _accepting;

    public TlsFront(Uri server, X509Certificate2 certificate)
    {
        (_server, Certificate) = (server, certificate);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Url => $"https://{_listener.LocalEndpoint}";

    public X509Certificate2 Certificate { get; set; }

    public bool WantsClientCertificate { get; init; }

    /// <summary>The server names (SNI) of clients and the subjects of their certificates.</summary>
    public IReadOnlyCollection<(string Sni, string? Client)> Handshakes => _handshakes;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
            _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using var own = client;
            await using var tls = new SslStream(client.GetStream());
            await tls.AuthenticateAsServerAsync(
                (_, hello, _, _) => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificate = Certificate,
                    ClientCertificateRequired = WantsClientCertificate,
                    RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    {
                        _handshakes.Enqueue((hello.ServerName, certificate?.Subject));
                        return !WantsClientCertificate || certificate is not null;
                    },
                }),
                null,
                _stop.Token);
            using var server = new TcpClient();
            await server.ConnectAsync(_server.Host, _server.Port, _stop.Token);
            await using var plain = server.GetStream();
            await Task.WhenAny(tls.CopyToAsync(plain, _stop.Token), plain.CopyToAsync(tls, _stop.Token));
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client disconnected or was refused.
        }
    }
}
