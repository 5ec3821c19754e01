using System.Globalization;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Deployment;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Repository;
using OllamaSharp;
using OllamaSharp.Models.Chat;

namespace OllamaBridge.Gateway.FunctionalTests.Clients;

/// <summary>A real nginx in front of the bridge, with its defaults and with the configuration of <c>docs/tenants/clients-without-keys.md</c>.</summary>
public sealed partial class NginxTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    /// <summary>The next token comes only after the test has ended, so a buffering proxy would never pass on the first one.</summary>
    private static readonly SimulatorOptions OneTokenOnly = SimulatorOptions.Instant with { DecodePerToken = TimeSpan.FromHours(1) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nginx_DocumentedConfiguration_AddsKeyForClient()
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:laptops:Keys:0", verifier.ToString()));
        var port = RunningProcess.FreePort();
        var server = GuideServer().Match(RepositoryFiles.Read("docs/tenants/clients-without-keys.md")).Groups[1].Value
            .Replace("127.0.0.1:11434", $"127.0.0.1:{port}", StringComparison.Ordinal)
            .Replace("http://bridge.example:11400", bridge.Url.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal)
            .Replace("ob-…", key, StringComparison.Ordinal);
        await using var nginx = await StartAsync(server, port);
        using var direct = new OllamaApiClient(bridge.Url, TestFleet.Model);
        using var client = new OllamaApiClient(nginx.Url, TestFleet.Model);

        await Assert.ThrowsAnyAsync<Exception>(() => direct.ListLocalModelsAsync(Token));
        Assert.NotEmpty(await client.ListLocalModelsAsync(Token));
        var words = 0;
        await foreach (var part in client.ChatAsync(Request(), Token))
            words += part?.Message.Content?.Length > 0 ? 1 : 0;
        Assert.True(words > 1);
    }

    [Fact]
    public async Task Nginx_Defaults_FirstTokenNotBuffered()
    {
        await using var fleet = await TestFleet.StartAsync(1, OneTokenOnly);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var port = RunningProcess.FreePort();
        await using var nginx = await StartAsync($"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {bridge.Url.GetLeftPart(UriPartial.Authority)}; }} }}", port);
        using var client = new OllamaApiClient(nginx.Url, TestFleet.Model);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience);

        await foreach (var part in client.ChatAsync(Request(), patience.Token))
        {
            Assert.False(string.IsNullOrEmpty(part?.Message.Content));
            break;
        }
    }

    private static ChatRequest Request() => new() { Model = TestFleet.Model, Messages = [new Message(ChatRole.User, "Why is the sky blue?")], Think = false };

    private static async Task<Nginx> StartAsync(string server, int port)
    {
        var folder = Directory.CreateTempSubdirectory("nginx").FullName;
        var temporary = string.Concat(new[] { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" }.Select(n => $"{n}_temp_path {folder}/{n};\n"));
        var file = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(file, $"daemon off; master_process off; pid {folder}/pid; error_log /dev/stdout notice;\nevents {{}}\nhttp {{ access_log off;\n{temporary}{server}\n}}\n", Token);
        // nginx logs the operating system after its sockets listen.
        var (process, _) = await RunningProcess.StartAsync(Promtool.Find("nginx"), ["-c", file, "-e", "/dev/stdout"], line => line.Contains(" OS: ", StringComparison.Ordinal));
        return new Nginx(process, folder, new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}")));
    }

    [GeneratedRegex("```nginx\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex GuideServer();

    private sealed class Nginx(RunningProcess process, string folder, Uri url) : IAsyncDisposable
    {
        public Uri Url => url;

        public async ValueTask DisposeAsync()
        {
            await process.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }
}
