using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Clients;

/// <summary>Responses that must stream have the header that disables buffering in nginx with its defaults.</summary>
public sealed class ProxyBufferingTests
{
    private const string Header = "X-Accel-Buffering";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/responses")]
    [InlineData("/v1/messages")]
    public async Task Post_Stream_BufferingDisabled(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var stream in new[] { true, false })
        {
            using var answer = await bridge.PostAsync(
                path, new { model = TestFleet.Model, stream, prompt = "x", input = "x", max_tokens = 5, messages = new[] { new { role = "user", content = "x" } } }, Token);
            Assert.Equal(200, (int)answer.StatusCode);
            Assert.Equal(stream ? "no" : null, answer.Headers.TryGetValues(Header, out var values) ? values.Single() : null);
        }
    }

    [Fact]
    public async Task Pull_Progress_BufferingDisabled()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { RemoteModels = [TestFleet.Plain("new:1b")] });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.PostAsync("/api/pull", new { model = "new:1b" }, Token);
        Assert.Equal("no", answer.Headers.GetValues(Header).Single());
    }

    [Fact]
    public async Task Post_StreamWithProgress_BufferingDisabled()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { PrefillPerToken = TimeSpan.FromMilliseconds(100) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:ProgressInterval", "00:00:00.1"));
        bridge.Client.DefaultRequestHeaders.Add("X-Bridge-Progress", "1");
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(text: "one two three four five six seven"), Token);
        Assert.Contains("\"bridge\":", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal("no", answer.Headers.GetValues(Header).Single());
    }
}
