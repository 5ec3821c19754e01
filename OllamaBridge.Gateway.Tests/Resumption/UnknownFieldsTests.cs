using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>A server that does not know a field would ignore it and execute the request, so its support is probed first.</summary>
public class UnknownFieldsTests
{
    private const string Rendered = """{"_debug_info":{"rendered_template":"<|user|>Why?"}}""";
    private const string Answered = """{"model":"a","message":{"role":"assistant","content":"Because."},"done":true}""";
    private readonly FleetBuilder _builder = new FleetBuilder().With("i").With("j");
    private readonly FakeFleet _fleet = new();
    private readonly Server _server = new();
    private readonly InstanceQueries _questions;

    public UnknownFieldsTests()
    {
        _fleet.Publish(_builder.Build());
        _questions = new InstanceQueries(new HttpMessageInvoker(_server), _fleet, Options.Create(new ResumptionOptions()), new FakeTimeProvider());
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Render_ServerGeneratesInstead_ProbedOnceForOneToken()
    {
        _server.Answer = Answered;
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => RenderAsync("i"))), Assert.Null);
        Assert.Null(await RenderAsync("i"));
        Assert.Equal(1, (int)Assert.Single(_server.Bodies)["options"]!["num_predict"]!);
        // The result is stored per instance.
        Assert.Null(await RenderAsync("j"));
        Assert.Equal(2, _server.Bodies.Count);
    }

    [Fact]
    public async Task Render_ServerRenders_OnlyFirstQueryLimited()
    {
        _server.Answer = Rendered;
        for (var i = 0; i < 3; i++)
            Assert.Equal("<|user|>Why?", await RenderAsync("i"));
        Assert.Equal(3, _server.Bodies.Count);
        Assert.Null(_server.Bodies[2]["options"]);
    }

    [Fact]
    public async Task Render_FirstQueryFails_Retried()
    {
        _server.Answer = null;
        Assert.Null(await RenderAsync("i"));
        _server.Answer = Rendered;
        Assert.NotNull(await RenderAsync("i"));
    }

    [Fact]
    public async Task Render_VersionChanged_ProbedAgain()
    {
        _server.Answer = Answered;
        Assert.Null(await RenderAsync("i"));
        _fleet.Publish(_builder.Change("i", v => v with { Version = "0.33.0" }).Build());
        _server.Answer = Rendered;
        Assert.NotNull(await RenderAsync("i"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("0.1.32")]
    [InlineData("0.11.4")]
    [InlineData("0.11.4-rc1")]
    public async Task Render_VersionWithoutField_NotProbed(string? version)
    {
        _fleet.Publish(_builder.Change("i", v => v with { Version = version }).Build());
        Assert.Null(await RenderAsync("i"));
        Assert.Empty(_server.Bodies);
    }

    [Theory]
    [InlineData("0.11.5")]
    [InlineData("0.33.0-rc2")]
    [InlineData("0.0.0")] // a build from source
    public async Task Render_VersionMayKnowField_Probed(string version)
    {
        _fleet.Publish(_builder.Change("i", v => v with { Version = version }).Build());
        _server.Answer = Rendered;
        Assert.NotNull(await RenderAsync("i"));
    }

    [Theory]
    [InlineData("vllm", true)]
    [InlineData("sglang", true)]
    [InlineData("llamacpp", true)]
    [InlineData("organization_owner", false)] // LM Studio
    [InlineData("openai", false)]
    public async Task OpensTurns_ModelListOwner_QueriedOnce(string owner, bool expected)
    {
        _server.Answer = $$"""{"object":"list","data":[{"id":"a","owned_by":"{{owner}}"}]}""";
        for (var i = 0; i < 3; i++)
            Assert.Equal(expected, await _questions.OpensTurnsAsync(_builder["i"], Token));
        Assert.Equal(1, _server.Gets);
    }

    private Task<string?> RenderAsync(string instance) => _questions.RenderAsync(
        _builder[instance], "/api/chat", new JsonObject { ["model"] = "a", ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Why?" }) }, Token);

    private sealed class Server : HttpMessageHandler
    {
        private readonly Lock _lock = new();

        /// <summary>The body of every response; null for an error.</summary>
        public string? Answer { get; set; }

        public List<JsonNode> Bodies { get; } = [];

        public int Gets { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = request.Content is null ? null : JsonNode.Parse(await request.Content.ReadAsStringAsync(cancellationToken))!;
            lock (_lock)
                if (body is null)
                    Gets++;
                else
                    Bodies.Add(body);
            return new HttpResponseMessage(Answer is null ? HttpStatusCode.InternalServerError : HttpStatusCode.OK) { Content = new StringContent(Answer ?? "{}") };
        }
    }
}
