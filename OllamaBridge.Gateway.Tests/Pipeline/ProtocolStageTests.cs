using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class ProtocolStageTests
{
    private readonly ProtocolStage _stage = new();

    [Fact]
    public async Task Invoke_KnownRoute_SetsOperation()
    {
        var context = StageContext.Bare("/api/chat");
        Assert.True(await StageContext.PassesAsync(_stage, context));
        var feature = context.Features.Get<OperationFeature>()!;
        Assert.Equal((OperationType.Chat, Protocol.Ollama, ""), (feature.Operation.Type, feature.Operation.Protocol, feature.Rest));
    }

    [Fact]
    public async Task Invoke_RouteWithName_SetsRest()
    {
        var context = StageContext.Bare("/api/blobs/sha256:0");
        Assert.True(await StageContext.PassesAsync(_stage, context));
        Assert.Equal("sha256:0", context.Features.Get<OperationFeature>()!.Rest);
    }

    [Fact]
    public async Task Invoke_UnknownRoute_404WithoutOperation()
    {
        var context = StageContext.Bare("/api/nothing");
        Assert.False(await StageContext.PassesAsync(_stage, context));
        Assert.Equal((404, "404 page not found"), (context.Response.StatusCode, StageContext.Sent(context)));
        Assert.Null(context.Features.Get<OperationFeature>());
    }

    [Fact]
    public async Task Invoke_OtherMethod_405WithAllowedMethods()
    {
        var context = StageContext.Bare("/api/version", "DELETE");
        Assert.False(await StageContext.PassesAsync(_stage, context));
        Assert.Equal((405, "HEAD, GET"), (context.Response.StatusCode, context.Response.Headers.Allow.ToString()));
        Assert.Null(context.Features.Get<OperationFeature>());
    }

    [Theory]
    [InlineData("GET", "/api/tags/", 301)]
    [InlineData("POST", "/api/chat/", 307)]
    public async Task Invoke_TrailingSlash_Redirects(string method, string path, int status)
    {
        var context = StageContext.Bare(path, method);
        Assert.False(await StageContext.PassesAsync(_stage, context));
        Assert.Equal((status, path.TrimEnd('/')), (context.Response.StatusCode, context.Response.Headers.Location.ToString()));
    }

    [Theory]
    [InlineData(null, Protocol.OpenAI)]
    [InlineData("2023-06-01", Protocol.Anthropic)]
    public async Task Invoke_ModelList_ProtocolOfClient(string? version, object protocol)
    {
        var context = StageContext.Bare("/v1/models", "GET");
        if (version is not null)
            context.Request.Headers[AnthropicModels.VersionHeader] = version;
        Assert.True(await StageContext.PassesAsync(_stage, context));
        Assert.Equal((Protocol)protocol, context.Features.Get<OperationFeature>()!.Operation.Protocol);
    }
}
