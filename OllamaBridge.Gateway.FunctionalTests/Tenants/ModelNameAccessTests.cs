using System.Net;
using System.Text;
using System.Text.Json;
using FsCheck.Fluent;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.FunctionalTests.Tenants;

/// <summary>A tenant can use only its allowed models, in any spelling of their names.</summary>
public sealed class ModelNameAccessTests
{
    private const string Allowed = "qwen3:8b";
    private const string Secret = "deepseek-r1:7b";
    private static readonly string[] Routes = ["/api/chat", "/api/generate", "/api/embed", "/api/show", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Spellings =>
        [Secret, " " + Secret, Secret + "\t", Secret + ":local", Secret + ": LOCAL", "Deepseek-R1:7B:Local", "registry.ollama.ai/library/" + Secret, "http:///library/" + Secret,
         Secret + ":cloud", "deepseek-r1:7b-cloud", Secret + ":local:cloud", Secret + "@sha256", "x y", ""];

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task Send_ForbiddenModel_NoAttempt(string name)
    {
        await using var bed = await BedAsync();
        foreach (var path in Routes)
        {
            using var answer = await bed.AskAsync(path, name);
            Assert.True((int)answer.StatusCode is 400 or 403 or 404, $"{path} '{name}': {answer.StatusCode}");
        }

        using var lookup = await bed.SendAsync(HttpMethod.Get, "/v1/models/" + Uri.EscapeDataString(name.Length == 0 ? " " : name), null);
        Assert.True((int)lookup.StatusCode is 400 or 403 or 404, $"'{name}': {lookup.StatusCode}");
        Assert.Empty(bed.Reached);
    }

    [Theory]
    [InlineData(Allowed)]
    [InlineData(" qwen3:8b\n")]
    [InlineData("Qwen3:8B:local")]
    [InlineData("registry.ollama.ai/library/qwen3:8b: local")]
    public async Task Send_AllowedModel_ServedAndCountedAsThatModel(string name)
    {
        await using var bed = await BedAsync(("Bridge:Tenants:team:Limits:Models:0:Model", "qwen3:8b:local"), ("Bridge:Tenants:team:Limits:Models:0:TokensPerMinute", "100000"));
        foreach (var path in (string[])["/api/chat", "/v1/chat/completions", "/v1/messages"])
        {
            using var answer = await bed.AskAsync(path, name);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains(answer.Headers, h => h.Key.Contains("ratelimit", StringComparison.OrdinalIgnoreCase));
        }

        using var show = await bed.AskAsync("/api/show", name);
        Assert.Equal(HttpStatusCode.OK, show.StatusCode);
        await Eventually.BecomesAsync(() => Task.FromResult(bed.Bridge.Logs.Lines.Count(l => l.StartsWith("Information 1302 ", StringComparison.Ordinal)) == 4), TimeSpan.FromSeconds(20));
        Assert.All(bed.Bridge.Logs.Lines.Where(l => l.StartsWith("Information 1302 ", StringComparison.Ordinal)), l => Assert.Contains($" {Allowed} succeeded 200", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_AnyName_AllowedOnlyIfResolvedNameIs()
    {
        await using var bed = await BedAsync();
        var names = ModelNameGenerator.Names.Sample(150).Select(n => n.Replace("\0", "", StringComparison.Ordinal)).Append(Allowed);
        foreach (var name in names)
        {
            // JSON can't represent a lone surrogate, so Ollama would read another name.
            if (name.Any(char.IsSurrogate))
                continue;
            var seen = bed.Reached.Count;
            using var answer = await bed.AskAsync("/v1/chat/completions", name);
            var isAllowed = GoModelName.Resolve(name) is { Name: "registry.ollama.ai/library/qwen3:8b", Source: not "cloud" };
            Assert.Equal(isAllowed, answer.StatusCode == HttpStatusCode.OK);
            Assert.Equal(isAllowed ? seen + 1 : seen, bed.Reached.Count);
        }
    }

    [Theory]
    [InlineData("{\"model\":\"x:cloud\",\"Model\":\"qwen3:8b\",\"messages\":[]}")]
    [InlineData("{\"MODEL\":\"qwen3:8b\",\"model\":\"deepseek-r1:7b\",\"messages\":[]}")]
    [InlineData("{\"model\":\"qwen3:8b\",\"mod\\u0065l\":\"deepseek-r1:7b\",\"messages\":[]}")]
    [InlineData("{\"model\":\"x:cloud\",\"Model\":\"\",\"messages\":[]}")]
    [InlineData("{\"model\":null,\"messages\":[]}")]
    [InlineData("{\"messages\":[]}")]
    [InlineData("null")]
    public async Task Send_DuplicateOrMissingModel_NoAttempt(string body)
    {
        await using var bed = await BedAsync();
        foreach (var path in (string[])["/api/chat", "/v1/chat/completions"])
        {
            using var answer = await bed.SendAsync(HttpMethod.Post, path, new StringContent(body, Encoding.UTF8, "application/json"));
            Assert.True((int)answer.StatusCode is 400 or 403 or 404, $"{path} {body}: {answer.StatusCode}");
        }

        Assert.Empty(bed.Reached);
    }

    [Theory]
    [InlineData("?model=deepseek-r1:7b", Allowed, null)] // Go uses the first query parameter
    [InlineData("", Secret, Allowed)] // Go uses the first of several values
    [InlineData("", Allowed, Secret)]
    public async Task Transcribe_DuplicateModel_NoAttempt(string query, string first, string? second)
    {
        await using var bed = await BedAsync();
        using var form = new MultipartFormDataContent { { new StringContent(first), "model" } };
        if (second is not null)
            form.Add(new StringContent(second), "model");
        form.Add(new ByteArrayContent([1, 2, 3]), "file", "a.wav");
        using var answer = await bed.SendAsync(HttpMethod.Post, "/v1/audio/transcriptions" + query, form);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Empty(bed.Reached);
    }

    [Fact]
    public async Task Cloud_NotAllowed_RefusedOnEveryRoute()
    {
        await using var bed = await BedAsync(isRestricted: false);
        bed.Fleet.Store.Add(TestFleet.Plain("innocent:1b") with { RemoteHost = "https://ollama.com:443" });
        await bed.Bridge.Fleet.RefreshCatalogAsync(Token);
        foreach (var path in Routes)
            foreach (var name in (string[])["gpt-oss:cloud", "gpt-oss:120b-cloud", " gpt-oss:20b:Cloud", "innocent:1b", "innocent:1b:local"])
            {
                using var answer = await bed.AskAsync(path, name);
                Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
                Assert.Contains("ollama cloud is disabled: remote model", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            }

        foreach (var (path, body) in ((string, object)[])[
            ("/api/pull", new { model = "gpt-oss:cloud" }),
            ("/api/pull", new { name = "gpt-oss:20b-cloud" }),
            ("/api/create", new { model = "mine", from = "gpt-oss:cloud" }),
            ("/api/create", new { model = "mine", from = Secret, remote_host = "https://elsewhere.example" })])
        {
            using var answer = await bed.SendAsync(HttpMethod.Post, path, Json(body));
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }

        Assert.Empty(bed.Reached);
    }

    [Fact]
    public async Task Cloud_Allowed_ForwardedAndCounted()
    {
        await using var bed = await BedAsync(
            ("Bridge:Access:CloudModels", "true"),
            ("Bridge:Tenants:team:Models:1", "gpt-oss:120b-cloud"),
            ("Bridge:Tenants:team:Limits:Models:0:Model", "gpt-oss:120b:cloud"),
            ("Bridge:Tenants:team:Limits:Models:0:TokensPerMinute", "100000"));
        using var answer = await bed.AskAsync("/api/chat", "gpt-oss:120b-cloud");
        // The simulator's cloud is disabled; its 403 proves that the request reached an instance.
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Single(bed.Reached);
        Assert.Contains(answer.Headers, h => h.Key.Contains("ratelimit", StringComparison.OrdinalIgnoreCase));
        using var other = await bed.AskAsync("/api/chat", "gpt-oss:20b-cloud");
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);
        Assert.Single(bed.Reached);
    }

    [Fact]
    public async Task Change_OtherModelNotAllowed_Refused()
    {
        await using var bed = await BedAsync(("Bridge:Tenants:team:Scopes", "Inference, Management"), ("Bridge:Tenants:team:Models:1", "mine"));
        foreach (var (method, path, body) in ((HttpMethod, string, object)[])[
            (HttpMethod.Post, "/api/copy", new { source = Allowed, destination = Secret }),
            (HttpMethod.Post, "/api/copy", new { source = Secret, destination = "mine" }),
            (HttpMethod.Post, "/api/create", new { model = "mine", from = " deepseek-r1:7b:local" }),
            (HttpMethod.Post, "/api/create", new { model = Secret, from = Allowed }),
            (HttpMethod.Post, "/api/pull", new { model = " deepseek-r1:7b" }),
            (HttpMethod.Post, "/api/push", new { model = Secret }),
            (HttpMethod.Delete, "/api/delete", new { model = "deepseek-r1:7b:local" })])
        {
            using var refused = await bed.SendAsync(method, path, Json(body));
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }

        Assert.Empty(bed.Reached);
        using var copied = await bed.SendAsync(HttpMethod.Post, "/api/copy", Json(new { source = Allowed, destination = "mine" }));
        Assert.Equal(HttpStatusCode.OK, copied.StatusCode);
        Assert.NotNull(bed.Fleet.Store.Find(Secret));
    }

    private static StringContent Json(object body) => new(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");

    private static Task<Bed> BedAsync(params (string Key, string Value)[] settings) => BedAsync(true, settings);

    private static async Task<Bed> BedAsync(bool isRestricted, params (string Key, string Value)[] settings)
    {
        var (key, verifier) = ApiKey.Create();
        var fleet = await TestFleet.StartAsync(1, options: null, Allowed, Secret);
        var bridge = await TestBridge.StartAsync(fleet.Servers, [
            ("Bridge:Tenants:team:Keys:0", verifier.ToString()),
            .. isRestricted ? [("Bridge:Tenants:team:Models:0", Allowed)] : (ReadOnlySpan<(string, string)>)[("Bridge:Tenants:team:Scopes", "Inference, Management")],
            .. settings]);
        await bridge.UntilAsync(s => s.AnyCatalogKnown, "the model list is read");
        return new Bed(fleet, bridge, key);
    }

    private sealed class Bed(TestFleet fleet, TestBridge bridge, string key) : IAsyncDisposable
    {
        private static readonly string[] Probes = ["/api/version", "/api/ps", "/api/tags"];

        public TestFleet Fleet => fleet;

        public TestBridge Bridge => bridge;

        /// <summary>Requests that reached the instance, without the bridge's own probes.</summary>
        public IReadOnlyList<SeenRequest> Reached => [.. fleet[0].Statistics.Seen.Where(r => !Probes.Contains(r.Path))];

        public Task<HttpResponseMessage> AskAsync(string path, string model)
        {
            object[] messages = [new { role = "user", content = "Why?" }];
            return SendAsync(HttpMethod.Post, path, Json(path switch
            {
                "/api/embed" => new { model, input = "x" },
                "/api/show" => new { model },
                "/v1/responses" => new { model, input = "x" },
                "/api/generate" or "/v1/completions" => new { model, prompt = "x", stream = false },
                _ => new { model, messages, stream = false, max_tokens = 6 },
            }));
        }

        public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content)
        {
            var request = new HttpRequestMessage(method, path) { Content = content };
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
            return bridge.Client.SendAsync(request, Token);
        }

        public async ValueTask DisposeAsync()
        {
            await bridge.DisposeAsync();
            await fleet.DisposeAsync();
        }
    }
}
