using System.Net;
using System.Text;
using System.Text.Json;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class OpenAIProbeTests
{
    private const string Models = """{"object":"list","data":[{"id":"Org/Model","object":"model","created":1700000000,"owned_by":"vllm","root":"/models/secret"}]}""";
    private readonly List<string> _asked = [];

    [Fact]
    public async Task Look_ModelsNotConfigured_HealthThenModels()
    {
        var models = await LookAsync(new OpenAIService([]), withCatalog: true);

        Assert.Equal(["/health", "/v1/models"], _asked);
        var model = Assert.Single(models);
        Assert.Equal(("Org/Model", "org/model:latest", "vllm", 1_700_000_000), (model.Name, model.Key, model.Owner, model.ModifiedAt.ToUnixTimeSeconds()));
    }

    [Fact]
    public async Task Look_CatalogNotDue_HealthOnly()
    {
        Assert.True((await LookAsync(new OpenAIService([]), withCatalog: false)).IsDefault);
        Assert.Equal(["/health"], _asked);
    }

    [Fact]
    public async Task Look_ModelsConfigured_NotRequested()
    {
        var models = await LookAsync(new OpenAIService(["x/Y", "z"]), withCatalog: true);
        Assert.Equal(["/health"], _asked);
        Assert.Equal(["x/Y", "z"], models.Select(m => m.Name));
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)] // access for other clients only
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(501)]
    public async Task Look_NoHealthRoute_ModelsUsedInstead(int status)
    {
        await LookAsync(new OpenAIService(["x"]), withCatalog: false, health: status);
        Assert.Equal(["/health", "/v1/models"], _asked);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(405)]
    public async Task Look_NeitherRouteButModelsConfigured_Succeeds(int status)
    {
        var models = await LookAsync(new OpenAIService(["gpt-x"]), withCatalog: true, health: 404, models: status);
        Assert.Equal("gpt-x", Assert.Single(models).Name);
    }

    [Fact]
    public async Task Look_NeitherRouteAndNoModels_ErrorNamesSetting()
    {
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => LookAsync(new OpenAIService([]), withCatalog: true, health: 404, models: 404));
        Assert.Contains("/v1", error.Message, StringComparison.Ordinal);
        Assert.Contains("Models", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, 301, 200)]
    [InlineData(null, 404, 401)] // the key is wrong
    [InlineData(null, 503, 200)] // as llama-server during a load
    [InlineData(null, 404, 500)]
    [InlineData("/ready", 404, 200)] // a configured health route must exist
    public async Task Look_Failure_Throws(string? path, int health, int models)
    {
        await Assert.ThrowsAsync<HttpRequestException>(() => LookAsync(new OpenAIService([], HealthPath: path), true, health, models));
        Assert.DoesNotContain(_asked, a => a.StartsWith("/api", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"data":{}}""")]
    [InlineData("no json")]
    public void Read_NoList_Throws(string body) => Assert.ThrowsAny<JsonException>(() => OpenAIProbe.Read(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Read_UnusualEntries_DistinctIds()
    {
        var models = OpenAIProbe.Read(Encoding.UTF8.GetBytes(
            """{"data":[{"id":"a"},{"id":"a"},{"id":7},{},"x",{"id":""},{"id":"b c"},{"id":" "},{"id":"x\u0000"},{"id":"\ud83d"},{"id":"中文"},{"id":"b","created":"soon","owned_by":5},{"id":"c","created":1e30}]}"""));
        Assert.Equal(["a", "b c", "中文", "b", "c"], models.Select(m => m.Name));
        Assert.All(models, m => Assert.Equal((DateTimeOffset.UnixEpoch, null), (m.ModifiedAt, m.Owner)));
    }

    private async Task<System.Collections.Immutable.ImmutableArray<CatalogModel>> LookAsync(
        OpenAIService service, bool withCatalog, int health = 200, int models = 200)
    {
        Task<ProbeAnswer> GetAsync(string path)
        {
            _asked.Add(path);
            var isModels = path == "/v1/models";
            return Task.FromResult(new ProbeAnswer((HttpStatusCode)(isModels ? models : health), isModels ? Encoding.UTF8.GetBytes(Models) : default(ReadOnlyMemory<byte>)));
        }

        await OpenAIProbe.ProbeAsync(service, GetAsync);
        return withCatalog ? await OpenAIProbe.ReadCatalogAsync(service, GetAsync) : default;
    }
}
