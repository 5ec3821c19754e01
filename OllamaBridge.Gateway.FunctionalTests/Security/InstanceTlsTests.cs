using System.Net;
using System.Security.Cryptography.X509Certificates;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>HTTPS to instances: trusted authorities, client certificates, changed files, and the reason of a failure.</summary>
public sealed class InstanceTlsTests : IDisposable
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    private readonly string _folder = Directory.CreateTempSubdirectory("tls").FullName;
    private readonly X509Certificate2 _authority = TestCertificates.Authority("Test CA");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string CaFile => Path.Combine(_folder, "ca.pem");

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Send_CaFile_AllKindsOfRequestsSucceed()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var front = new TlsFront(fleet[0].Url, TestCertificates.Issue(_authority, ["127.0.0.1"]));
        TestCertificates.Write(CaFile, _authority);
        await using var bridge = await StartAsync(front, ("CaFile", CaFile));
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable && i.CatalogKnown), "the instance is healthy");

        using (var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token))
            Assert.Contains("\"done\":true", await chat.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using (var show = await bridge.PostAsync("/api/show", new { model = TestFleet.Model }, Token))
            Assert.Equal(HttpStatusCode.OK, show.StatusCode);
        using (var count = await bridge.PostAsync("/v1/messages/count_tokens", new { model = TestFleet.Model, messages = new[] { new { role = "user", content = "x" } } }, Token))
            Assert.Equal(HttpStatusCode.OK, count.StatusCode);
        using (var copy = await bridge.PostAsync("/api/copy", new { source = TestFleet.Model, destination = "copied" }, Token))
            Assert.Equal(HttpStatusCode.OK, copy.StatusCode);
        using (var blob = await bridge.Client.PostAsync($"/api/blobs/sha256:{new string('0', 64)}", new ByteArrayContent([]), Token))
            Assert.True((int)blob.StatusCode < 500, $"{blob.StatusCode}");
        using (var unload = await bridge.PostAsync("/api/generate", new { model = TestFleet.Model, keep_alive = 0 }, Token))
            Assert.Equal(HttpStatusCode.OK, unload.StatusCode);
        Assert.Contains(fleet[0].Statistics.Seen, r => r.Path == "/api/copy");
    }

    public static TheoryData<string, string> Reasons => new()
    {
        { "self-signed", "self-signed certificate (CN=127.0.0.1)" },
        { "expired", "certificate expired on 2020-02-01" },
        { "early", "certificate is not valid before 2990-01-01" },
        { "unknown", "unknown CA CN=Other CA" },
        { "mismatch", "name mismatch: certificate is for gpu-1.example, gpu-2.example, not for 127.0.0.1" },
        { "http", "the server does not speak TLS on this port" },
    };

    [Theory]
    [MemberData(nameof(Reasons))]
    public async Task State_TlsFailure_ReasonInStateAndLogAndOthersServe(string kind, string reason)
    {
        await using var fleet = await TestFleet.StartAsync(2);
        using var other = TestCertificates.Authority("Other CA");
        using var certificate = kind switch
        {
            "self-signed" => TestCertificates.SelfSigned("127.0.0.1"),
            "expired" => TestCertificates.Issue(_authority, ["127.0.0.1"], At(2020, 1), At(2020, 2)),
            "early" => TestCertificates.Issue(_authority, ["127.0.0.1"], At(2990, 1), At(2990, 2)),
            "unknown" => TestCertificates.Issue(other, ["127.0.0.1"]),
            _ => TestCertificates.Issue(_authority, ["gpu-1.example", "gpu-2.example"]),
        };
        await using var front = new TlsFront(fleet[0].Url, certificate);
        TestCertificates.Write(CaFile, _authority);
        await using var bridge = await TestBridge.StartAsync([], [
            ("Bridge:Instances:0:Url", kind == "http" ? fleet[0].Url.ToString().Replace("http:", "https:", StringComparison.Ordinal) : front.Url), ("Bridge:Instances:0:Name", "secured"),
            ("Bridge:Instances:0:Tls:CaFile", CaFile), ("Bridge:Instances:1:Url", fleet[1].Url.ToString()), ("Bridge:Instances:1:Name", "plain")]);
        await bridge.UntilAsync(s => s.Instances.Any(i => i.IsUsable) && s.Instances.Any(i => i.LastError is not null), "one is healthy, one is not");

        var error = (await bridge.GetJsonAsync("/bridge/instances")).AsArray().Single(i => i!["name"]!.GetValue<string>() == "secured")!["error"]!.GetValue<string>();
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.DoesNotContain("inner exception", error, StringComparison.Ordinal);
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal("plain", chat.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Send_CertificateBecomesUntrusted_FailsOverAndLogsReason()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        using var other = TestCertificates.Authority("Other CA");
        await using var front = new TlsFront(fleet[0].Url, TestCertificates.Issue(_authority, ["127.0.0.1"]));
        TestCertificates.Write(CaFile, _authority);
        await using var bridge = await TestBridge.StartAsync([], [
            ("Bridge:Instances:0:Url", front.Url), ("Bridge:Instances:0:Name", "secured"), ("Bridge:Instances:0:Tls:CaFile", CaFile), ("Bridge:Instances:0:Slots", "4"),
            // A request, not a probe, is the first to meet the changed certificate.
            ("Bridge:Health:Interval", "00:05:00"), ("Bridge:Health:CatalogInterval", "00:05:00")]);
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable && i.CatalogKnown), "the instance is healthy");
        front.Certificate = TestCertificates.Issue(other, ["127.0.0.1"]);

        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.BadGateway, chat.StatusCode);
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Warning 1203 Connection to instance secured failed", StringComparison.Ordinal) && l.Contains("unknown CA CN=Other CA", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_ClientCertificateRequired_SentFromFilesAndReloadedOnChange()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var front = new TlsFront(fleet[0].Url, TestCertificates.Issue(_authority, ["127.0.0.1"])) { WantsClientCertificate = true };
        TestCertificates.Write(CaFile, _authority);
        await using (var without = await StartAsync(front, ("CaFile", CaFile)))
        {
            await without.UntilAsync(s => s.Instances[0].LastError is not null, "the instance is not healthy");
            Assert.Contains("client certificate", without.Fleet.Current.Instances[0].LastError, StringComparison.Ordinal);
        }

        var (certificate, key) = (Path.Combine(_folder, "client.pem"), Path.Combine(_folder, "client.key"));
        WriteClient("bridge-1");
        await using var bridge = await StartAsync(front, ("CaFile", CaFile), ("ClientCertificate", certificate), ("ClientKey", key));
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable && i.CatalogKnown), "the instance is healthy");
        using (var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token))
            Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
        Assert.Equal("CN=bridge-1", front.Handshakes.Last().Client);

        WriteClient("bridge-2");
        await Eventually.BecomesAsync(() => front.Handshakes.Last().Client == "CN=bridge-2", Patience);
        File.WriteAllText(key, "half writ");
        await Eventually.BecomesAsync(
            async () =>
            {
                using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
                Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
                return bridge.Logs.Lines.Any(l => l.StartsWith("Warning 1204 ", StringComparison.Ordinal));
            },
            Patience);

        void WriteClient(string name)
        {
            using var client = TestCertificates.Issue(_authority, [name]);
            TestCertificates.WriteKey(key, client);
            TestCertificates.Write(certificate, client);
        }
    }

    [Fact]
    public async Task Send_ServerName_UsedInsteadOfAddress()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var front = new TlsFront(fleet[0].Url, TestCertificates.Issue(_authority, ["gpu-1.example"]));
        TestCertificates.Write(CaFile, _authority);
        await using (var bridge = await StartAsync(front, ("CaFile", CaFile), ("ServerName", "gpu-1.example")))
        {
            await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable), "the instance is healthy");
            Assert.All(front.Handshakes, h => Assert.Equal("gpu-1.example", h.Sni));
        }

        await using var wrong = await StartAsync(front, ("CaFile", CaFile), ("ServerName", "gpu-2.example"));
        await wrong.UntilAsync(s => s.Instances[0].LastError is not null, "the instance is not healthy");
        Assert.Contains("certificate is for gpu-1.example, not for gpu-2.example", wrong.Fleet.Current.Instances[0].LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task State_CaFileChanges_TrustedWithoutRestart()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        using var next = TestCertificates.Authority("Next CA");
        await using var front = new TlsFront(fleet[0].Url, TestCertificates.Issue(next, ["127.0.0.1"]));
        TestCertificates.Write(CaFile, _authority);
        await using var bridge = await StartAsync(front, ("CaFile", CaFile));
        await bridge.UntilAsync(s => s.Instances[0].LastError?.Contains("unknown CA CN=Next CA", StringComparison.Ordinal) == true, "the instance is not trusted");

        // As in Kubernetes: the path is a link, which changes to another file.
        TestCertificates.Write(CaFile + ".new", _authority, next);
        File.Delete(CaFile);
        File.CreateSymbolicLink(CaFile, CaFile + ".new");

        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable), "the instance is trusted");
    }

    [Theory]
    [InlineData("Tls:CaFile", "/nowhere/ca.pem", "Bridge:Instances:0:Tls:CaFile")]
    [InlineData("Tls:CaFile", "EMPTY", "Bridge:Instances:0:Tls:CaFile")]
    [InlineData("Tls:ClientCertificate", "EMPTY", "Bridge:Instances:0:Tls:ClientCertificate")]
    [InlineData("Tls:ClientKey", "EMPTY", "Bridge:Instances:0:Tls:ClientKey")]
    [InlineData("Tls:ServerName", "not a name", "Bridge:Instances:0:Tls:ServerName")]
    [InlineData("Url", "http://127.0.0.1:1", "Bridge:Instances:0:Tls: is for an address with https")]
    public async Task Start_InvalidTlsSetting_ReportedWithKey(string setting, string value, string expected)
    {
        var empty = Path.Combine(_folder, "empty.pem");
        await File.WriteAllTextAsync(empty, "nothing", Token);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(
            [],
            ("Bridge:Instances:0:Url", "https://127.0.0.1:1"), ("Bridge:Instances:0:Tls:ServerName", "a.example"), ($"Bridge:Instances:0:{setting}", value == "EMPTY" ? empty : value)));
        Assert.Contains(expected, e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_RegionPeer_TlsSettings()
    {
        TestCertificates.Write(CaFile, _authority);
        var errors = new List<string>();
        var options = new RegionOptions { Self = "a", Peers = [new PeerOptions { Name = "b", Url = "https://b.example", Tls = new InstanceTlsOptions { CaFile = CaFile } }] };
        Assert.Equal(CaFile, RegionPeers.Read(options, errors).Single().Tls!.CaFile);
        Assert.Empty(errors);
        RegionPeers.Read(options with { Peers = [options.Peers[0] with { Url = "http://b.example" }] }, errors);
        Assert.StartsWith("Peers:0:Tls: ", Assert.Single(errors), StringComparison.Ordinal);
    }

    private static DateTimeOffset At(int year, int month) => new(year, month, 1, 0, 0, 0, TimeSpan.Zero);

    private static Task<TestBridge> StartAsync(TlsFront front, params (string Key, string Value)[] tls) => TestBridge.StartAsync(
        [], [("Bridge:Instances:0:Url", front.Url), ("Bridge:Instances:0:Name", "secured"), .. tls.Select(t => ($"Bridge:Instances:0:Tls:{t.Key}", t.Value))]);
}
