using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>The text is the same for the same seed, from any point, on any server (recordings 06-*, 11-*).</summary>
public class ContinuationTests
{
    private const string Rendered = "<|user|>Why is the sky blue?<|end|><|assistant|>";
    private static readonly SimulatedModel Plain = SimulatedModel.Named("plain") with { AnswerTokens = 40, Capabilities = [ModelCapability.Completion] };
    private static readonly SimulatedModel Open = Plain with { Name = "open", Template = ChatTemplate.Prefill };
    private static readonly SimulatedModel Thinker = Plain with { Name = "thinker", Capabilities = [ModelCapability.Completion, ModelCapability.Thinking] };

    [Fact]
    public async Task Generate_SameSeedOnTwoServers_SameText()
    {
        const string Body = """{"model":"plain","prompt":"Why?","stream":false,"options":{"seed":7,"temperature":0.8}}""";
        var (first, second) = (await GenerateAsync(Body), await GenerateAsync(Body));
        Assert.Equal(first, second);
        Assert.NotEqual(first, await GenerateAsync(Body.Replace("7", "8")));
        Assert.EndsWith(".", first);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(25)]
    [InlineData(39)]
    public async Task Generate_RawFromAnyPoint_ContinuesUninterruptedText(int tokens)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Plain);
        using var client = new SimulatorClient(server);
        var whole = await client.GenerateAsync($$$"""{"model":"plain","raw":true,"prompt":"{{{Rendered}}}","stream":false,"options":{"seed":3}}""");
        var begun = await client.GenerateAsync(
            $$$"""{"model":"plain","raw":true,"prompt":"{{{Rendered}}}","stream":false,"options":{"seed":3,"num_predict":{{{tokens}}}}}""");
        var rest = await client.GenerateAsync($$$"""{"model":"plain","raw":true,"prompt":"{{{Rendered}}}{{{begun}}}","stream":false,"options":{"seed":3}}""");
        Assert.Equal(whole, begun + rest);
    }

    [Fact]
    public async Task Chat_TrailingAssistantOnOpenTemplate_Continues()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Open);
        using var client = new SimulatorClient(server);
        const string User = """{"role":"user","content":"Why?"}""";
        var whole = await ChatAsync(client, $$"""{"model":"open","stream":false,"messages":[{{User}}]}""");
        var begun = await ChatAsync(client, $$$"""{"model":"open","stream":false,"messages":[{{{User}}}],"options":{"num_predict":11}}""");
        var rest = await ChatAsync(client, $$"""{"model":"open","stream":false,"messages":[{{User}},{"role":"assistant","content":"{{begun}}"}]}""");
        Assert.Equal(whole, begun + rest);
    }

    [Fact]
    public async Task Generate_RawFromMidThought_ContinuesThoughtAndResponse()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Thinker);
        using var client = new SimulatorClient(server);
        const string Prompt = Rendered + "<think>\\n";
        var whole = await client.GenerateAsync($$"""{"model":"thinker","raw":true,"think":false,"prompt":"{{Prompt}}","stream":false}""");
        foreach (var tokens in (int[])[5, 16, 17, 20])
        {
            var begun = await client.GenerateAsync($$$"""{"model":"thinker","raw":true,"think":false,"prompt":"{{{Prompt}}}","stream":false,"options":{"num_predict":{{{tokens}}}}}""");
            var rest = await client.GenerateAsync($$"""{"model":"thinker","raw":true,"think":false,"prompt":"{{Prompt}}{{begun.Replace("\n", "\\n")}}","stream":false}""");
            Assert.Equal(whole, begun + rest);
        }
        Assert.Contains("</think>", whole);
    }

    [Fact]
    public async Task Chat_RenderOnly_ShowsWhetherTurnStaysOpen()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Plain, Open);
        using var client = new SimulatorClient(server);
        foreach (var (model, open) in (IEnumerable<(string, bool)>)[("plain", false), ("open", true)])
        {
            var body = $$"""{"model":"{{model}}","_debug_render_only":true,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}""";
            var rendered = (await client.JsonAsync("/api/chat", body)).GetProperty("_debug_info").GetProperty("rendered_template").GetString();
            Assert.Equal(open, rendered!.EndsWith("<|assistant|>b", StringComparison.Ordinal));
        }
    }

    private static async Task<string> GenerateAsync(string body)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Plain);
        using var client = new SimulatorClient(server);
        return await client.GenerateAsync(body);
    }

    private static async Task<string> ChatAsync(SimulatorClient client, string body) =>
        (await client.JsonAsync("/api/chat", body)).GetProperty("message").GetProperty("content").GetString()!;
}
