using OllamaBridge.Gateway.Pipeline;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class ReservedRouteStageTests
{
    [Theory]
    [InlineData("/api/me")]
    [InlineData("/api/signout")]
    [InlineData("/api/user/keys/x")]
    [InlineData("/api/experimental/new")]
    public async Task Invoke_OwnersRoute_403(string path)
    {
        var context = StageContext.Create(path);
        Assert.False(await StageContext.PassesAsync(new ReservedRouteStage(), context));
        Assert.Equal(403, context.Response.StatusCode);
        Assert.Contains("reserved for a server's owner", StageContext.Sent(context), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/pull")]
    [InlineData("/api/version")]
    public async Task Invoke_OtherRoute_Passes(string path) =>
        Assert.True(await StageContext.PassesAsync(new ReservedRouteStage(), StageContext.Create(path)));
}
