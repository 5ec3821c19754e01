using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace OllamaBridge.Gateway.FunctionalTests.Clients;

/// <summary>The unmodified .NET client with the bridge as its server.</summary>
public sealed class OllamaSharpTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Client_AllOperations_WorkAsWithOneServer()
    {
        await using var fleet = await TestFleet.StartAsync(
            3,
            SimulatorOptions.Instant with { ParallelSlots = 4, RemoteModels = [TestFleet.Plain("qwen3:4b")] },
            TestFleet.Model, "nomic-embed-text");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var ollama = new OllamaApiClient(bridge.Url, TestFleet.Model);

        Assert.True(await ollama.IsRunningAsync(Token));
        Assert.Equal("0.32.15", await ollama.GetVersionAsync(Token));
        Assert.Equal(2, (await ollama.ListLocalModelsAsync(Token)).Count());

        var text = "";
        await foreach (var part in ollama.GenerateAsync("Why is the sky blue?", cancellationToken: Token))
            text += part!.Response;
        Assert.NotEmpty(text);

        var chat = new Chat(ollama);
        var answer = "";
        await foreach (var token in chat.SendAsync("Hello?", Token))
            answer += token;
        Assert.NotEmpty(answer);
        Assert.Equal(2, chat.Messages.Count);

        var whole = ollama.ChatAsync(new ChatRequest { Model = TestFleet.Model, Stream = false, Messages = [new Message(ChatRole.User, "Hello?")] }, Token);
        Assert.True((await whole.FirstAsync(Token))!.Done);

        var embedding = await ollama.EmbedAsync(new EmbedRequest { Model = "nomic-embed-text", Input = ["a", "b"] }, Token);
        Assert.Equal(2, embedding.Embeddings.Count);

        Assert.NotNull((await ollama.ShowModelAsync(TestFleet.Model, Token)).Info);
        await foreach (var progress in ollama.PullModelAsync("qwen3:4b", Token))
            Assert.NotNull(progress);
        Assert.Equal(3, (await ollama.ListLocalModelsAsync(Token)).Count());
        await ollama.CopyModelAsync("qwen3:4b", "mine", Token);
        await ollama.DeleteModelAsync("mine", Token);
        Assert.Single(await ollama.ListRunningModelsAsync(Token), m => m.Name == TestFleet.Model);
    }

    [Fact]
    public async Task Client_UnknownModel_OllamasError()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var ollama = new OllamaApiClient(bridge.Url, "nope");
        using var direct = new OllamaApiClient(fleet[0].Url, "nope");

        var expected = await Assert.ThrowsAnyAsync<Exception>(async () => await direct.GenerateAsync("x", cancellationToken: Token).FirstAsync(Token));
        var error = await Assert.ThrowsAnyAsync<Exception>(async () => await ollama.GenerateAsync("x", cancellationToken: Token).FirstAsync(Token));

        Assert.Equal((expected.GetType(), expected.Message), (error.GetType(), error.Message));
    }
}
