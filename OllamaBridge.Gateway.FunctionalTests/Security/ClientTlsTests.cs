using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>HTTPS for clients with changing certificate files, configured as in docs/tls.md.</summary>
public sealed class ClientTlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("https").FullName;
    private readonly X509Certificate2 _authority = TestCertificates.Authority("Test CA");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Send_PemFilesConfigured_ServedAndReloadedOnChange()
    {
        var (certificate, key) = (Path.Combine(_folder, "tls.crt"), Path.Combine(_folder, "tls.key"));
        var first = Write("one.example");
        var port = FreePort();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await GatewayProcess.StartAsync(
            fleet.Servers, 4,
            ("Kestrel:Endpoints:Https:Url", $"https://127.0.0.1:{port}"),
            ("Kestrel:Endpoints:Https:Certificate:Path", certificate), ("Kestrel:Endpoints:Https:Certificate:KeyPath", key));
        Assert.Equal($"https://127.0.0.1:{port}", bridge.Url.ToString().TrimEnd('/'));

        var served = await AskAsync(port, stream: true);
        Assert.Equal(first, served);
        var second = Write("two.example");
        await Eventually.BecomesAsync(async () => await AskAsync(port, stream: false) == second, TimeSpan.FromSeconds(30));

        string Write(string name)
        {
            using var issued = TestCertificates.Issue(_authority, ["127.0.0.1", name]);
            TestCertificates.WriteKey(key, issued);
            TestCertificates.Write(certificate, issued, _authority);
            return issued.Thumbprint;
        }
    }

    /// <returns>The thumbprint of the bridge's certificate; empty while the listener restarts.</returns>
    private async Task<string> AskAsync(int port, bool stream)
    {
        var thumbprint = "";
        using var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { _authority } },
                RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                {
                    thumbprint = ((X509Certificate2)certificate!).Thumbprint;
                    return errors == SslPolicyErrors.None;
                },
            },
        };
        using var client = new HttpClient(handler)
        {
            BaseAddress = new Uri($"https://127.0.0.1:{port}"),
            // Offers HTTP/2, as browsers and curl do.
            DefaultRequestVersion = HttpVersion.Version20,
        };
        try
        {
            using var answer = await client.PostAsJsonAsync("/api/chat", Ask.Chat(stream: stream), Token);
            Assert.Equal((HttpStatusCode.OK, HttpVersion.Version11), (answer.StatusCode, answer.Version));
            Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            return thumbprint;
        }
        catch (HttpRequestException e) when (e.InnerException is SocketException or IOException)
        {
            return "";
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
