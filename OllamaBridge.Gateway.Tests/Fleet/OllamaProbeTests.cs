using System.Net;
using System.Text;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>Old and foreign servers that are configured as Ollama servers.</summary>
public class OllamaProbeTests
{
    private const string Version = """{"version":"0.32.15"}""";
    private const string Running = """{"models":[{"name":"a:latest","model":"a:latest","size":7,"size_vram":5}]}""";
    private const string Tags = """{"models":[{"name":"a:latest"}]}""";
    private readonly Dictionary<string, (int Status, string Body)> _routes = new(StringComparer.Ordinal)
    {
        ["/api/version"] = (200, Version),
        ["/api/ps"] = (200, Running),
        ["/api/tags"] = (200, Tags),
    };

    [Fact]
    public async Task Look_AllRoutes_NoRemarks()
    {
        var health = await OllamaProbe.ProbeAsync(GetAsync);
        Assert.Equal("0.32.15", health.Version);
        var model = Assert.Single(health.Loaded);
        Assert.Equal(("a:latest", 7L, 5L), (model.Key, model.Size, model.SizeInVram));
        Assert.Empty(health.Remarks);
    }

    [Theory]
    [InlineData(404, "404 page not found")]
    [InlineData(405, "")]
    [InlineData(501, "")]
    [InlineData(200, """{"error":"Unexpected endpoint or method. (GET /api/ps)"}""")]
    [InlineData(200, "<html>")]
    public async Task Look_NoListOfRunningModels_SucceedsWithRemark(int status, string body)
    {
        _routes["/api/ps"] = (status, body);
        var health = await OllamaProbe.ProbeAsync(GetAsync);
        Assert.True(health.Loaded.IsDefault);
        Assert.Contains("/api/ps", Assert.Single(health.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Look_ListOfRunningModelsDelayed_SucceedsWithRemark()
    {
        var health = await OllamaProbe.ProbeAsync(path => path == "/api/ps" ? throw new TaskCanceledException() : GetAsync(path));
        Assert.Equal("0.32.15", health.Version);
        Assert.True(health.Loaded.IsDefault);
        Assert.Contains("/api/ps does not respond", Assert.Single(health.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Look_NoResponse_Fails() =>
        await Assert.ThrowsAsync<TaskCanceledException>(() => OllamaProbe.ProbeAsync(_ => throw new TaskCanceledException()));

    [Theory]
    [InlineData(404, "")]
    [InlineData(405, "")]
    [InlineData(200, "{}")]
    [InlineData(200, """{"version":7}""")]
    [InlineData(200, "OK")]
    public async Task Look_ModelsWithoutVersion_SucceedsWithRemark(int status, string body)
    {
        _routes["/api/version"] = (status, body);
        var health = await OllamaProbe.ProbeAsync(GetAsync);
        Assert.Null(health.Version);
        Assert.Contains("/api/version", Assert.Single(health.Remarks), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"error":"Unexpected endpoint or method."}""")] // LM Studio, on every path
    [InlineData("<html>welcome</html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Look_SameResponseOnEveryPath_NotAnOllamaServer(string body)
    {
        foreach (var path in _routes.Keys)
            _routes[path] = (200, body);
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => OllamaProbe.ProbeAsync(GetAsync));
        Assert.Contains("/api/version", error.Message, StringComparison.Ordinal);
        Assert.Contains("no Ollama server", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/version", 500)]
    [InlineData("/api/version", 401)]
    [InlineData("/api/version", 301)]
    [InlineData("/api/ps", 503)]
    public async Task Look_Failure_ErrorNamesPathAndStatus(string path, int status)
    {
        _routes[path] = (status, "");
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => OllamaProbe.ProbeAsync(GetAsync));
        Assert.Contains($"{path} responded with {status}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadCatalog_UnusualNames_AllListed()
    {
        string[] names =
        [
            "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "registry.local:5000/team/m:latest", "my model:7b", "中文模型", "C:\\models\\q.gguf",
            "a-model-with-a-name-of-more-than-eighty-characters-which-huggingface-repositories-do-have-sometimes-GGUF:Q4",
        ];
        _routes["/api/tags"] = (200, $$"""{"models":[{{string.Join(',', names.Select(n => $$"""{"name":"{{n.Replace("\\", "\\\\", StringComparison.Ordinal)}}"}"""))}},{"model":"only-model:1b"},{"name":7},{},"x",{"name":""}]}""");
        var catalog = await OllamaProbe.ReadCatalogAsync(GetAsync);
        Assert.Equal([.. names, "only-model:1b"], catalog.Select(m => m.Name));
        Assert.Equal(catalog.Length, catalog.Select(m => m.Key).Distinct().Count());
    }

    [Theory]
    [InlineData("\"digest\":\"SHA256:ABCD\"", "abcd")]
    [InlineData("\"digest\":\"abcd\"", "abcd")]
    [InlineData("\"digest\":\"\"", null)]
    [InlineData("\"digest\":7", null)]
    [InlineData("\"size\":7", null)]
    public async Task ReadCatalog_Digest_Normalized(string property, string? expected)
    {
        _routes["/api/tags"] = (200, $$"""{"models":[{"name":"a",{{property}}}]}""");
        Assert.Equal(expected, Assert.Single(await OllamaProbe.ReadCatalogAsync(GetAsync)).Digest);
    }

    [Fact]
    public async Task ReadCatalog_NullList_NoModels()
    {
        _routes["/api/tags"] = (200, """{"models":null}""");
        Assert.Empty(await OllamaProbe.ReadCatalogAsync(GetAsync));
    }

    [Theory]
    [InlineData(200, "{}")]
    [InlineData(200, "no JSON")]
    [InlineData(500, Tags)]
    public async Task ReadCatalog_NoList_Throws(int status, string body)
    {
        _routes["/api/tags"] = (status, body);
        Assert.Contains("/api/tags", (await Assert.ThrowsAsync<HttpRequestException>(() => OllamaProbe.ReadCatalogAsync(GetAsync))).Message, StringComparison.Ordinal);
    }

    private Task<ProbeAnswer> GetAsync(string path) =>
        Task.FromResult(new ProbeAnswer((HttpStatusCode)_routes[path].Status, Encoding.UTF8.GetBytes(_routes[path].Body)));
}
