using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Models;

/// <summary>Changes to the shared model folder are made one at a time, on one instance, and only from the local machine.</summary>
public sealed class ManagementTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pull_NewModel_StreamsProgressAndModelUsableImmediately()
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Health:CatalogInterval", "00:30:00"));

        using var pull = await bridge.PostAsync("/api/pull", new { model = "qwen3:4b" }, Token);
        var lines = (await pull.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat("qwen3:4b", stream: false), Token);

        Assert.True(lines.Length > 3);
        Assert.Equal("""{"status":"success"}""", lines[^1]);
        Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
    }

    [Fact]
    public async Task Pull_UnknownModel_ServersErrorAndNoModelAdded()
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var pull = await bridge.PostAsync("/api/pull", new { model = "not-to-be-had" }, Token);
        var lines = (await pull.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');

        Assert.Equal(HttpStatusCode.OK, pull.StatusCode);
        Assert.StartsWith("""{"error":""", lines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("complete", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task CreateCopyDelete_Concurrent_OneWriterAtATime()
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var changes = Enumerable.Range(0, 12).Select(async i =>
        {
            using var create = await bridge.PostAsync("/api/create", new { model = $"made-{i}", from = TestFleet.Model, stream = i % 2 == 0 }, Token);
            Assert.Contains("success", await create.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            using var copy = await bridge.PostAsync("/api/copy", new { source = $"made-{i}", destination = $"copied-{i}" }, Token);
            Assert.Equal(HttpStatusCode.OK, copy.StatusCode);
            using var delete = await bridge.Client.SendAsync(
                new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = new StringContent($$"""{"model":"made-{{i}}"}""") }, Token);
            Assert.Equal(HttpStatusCode.OK, delete.StatusCode);
            using var gone = await bridge.PostAsync("/api/show", new { model = $"made-{i}" }, Token);
            Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
            using var there = await bridge.PostAsync("/api/show", new { model = $"copied-{i}" }, Token);
            Assert.Equal(HttpStatusCode.OK, there.StatusCode);
        });

        await Task.WhenAll(changes);
        Assert.Equal(1, fleet.Store.MaxConcurrentWriters);
    }

    [Fact]
    public async Task Blob_UploadedInParts_CreateSentToSameInstance()
    {
        await using var one = await StartAsync(1);
        await using var two = await StartAsync(1);
        // Two folders: only the instance that received the blob can create a model from it.
        await using var bridge = await TestBridge.StartAsync([one[0], two[0]]);
        var bytes = new byte[3_000_000];
        "GGUF"u8.CopyTo(bytes);
        var digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";

        using var missing = await bridge.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/api/blobs/{digest}"), Token);
        using var upload = await bridge.Client.PostAsync($"/api/blobs/{digest}", new StreamContent(new MemoryStream(bytes)), Token);
        var holder = upload.Headers.GetValues("X-Bridge-Instance").Single();
        using var present = await bridge.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/api/blobs/{digest}"), Token);
        // Without the blob, the other instance would be the first by name.
        using var create = await bridge.PostAsync("/api/create", new { model = "mine", files = new Dictionary<string, string> { ["m.gguf"] = digest }, stream = false }, Token);

        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Equal(HttpStatusCode.Created, upload.StatusCode);
        Assert.Equal(HttpStatusCode.OK, present.StatusCode);
        Assert.Equal(HttpStatusCode.OK, create.StatusCode);
        Assert.Equal(holder, create.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Blob_WrongDigest_ServersError()
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var upload = await bridge.Client.PostAsync($"/api/blobs/sha256:{new string('0', 64)}", new ByteArrayContent([1, 2, 3]), Token);

        Assert.Equal(HttpStatusCode.BadRequest, upload.StatusCode);
        Assert.Contains("digest mismatch", await upload.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST", "/api/pull")]
    [InlineData("POST", "/api/push")]
    [InlineData("POST", "/api/create")]
    [InlineData("POST", "/api/copy")]
    [InlineData("DELETE", "/api/delete")]
    [InlineData("POST", "/api/blobs/sha256:00")]
    [InlineData("GET", "/bridge/instances")]
    [InlineData("GET", "/bridge/queue")]
    [InlineData("POST", "/bridge/instances/sim-1/drain")]
    public async Task Send_FromAnotherMachine_403(string method, string path)
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new StringContent($$"""{"model":"{{TestFleet.Model}}","source":"{{TestFleet.Model}}"}""") };
        request.Headers.Add("Test-Remote-Address", "192.168.1.7");
        if (method == "GET")
            request.Content = null;

        using var answer = await bridge.Client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.DoesNotContain(fleet.Servers.SelectMany(s => s.Statistics.Seen), r => r.Path == path);
        Assert.False(bridge.Fleet.Current.Instances[0].Draining);
    }

    [Theory]
    [InlineData("POST", "/api/me")]
    [InlineData("POST", "/api/signout")]
    [InlineData("DELETE", "/api/user/keys/abc")]
    [InlineData("POST", "/api/experimental/web_search")]
    [InlineData("POST", "/api/experimental/web_fetch")]
    [InlineData("GET", "/api/experimental/model-recommendations")]
    public async Task Send_AccountAndExperimentalRoutes_RefusedWithoutAttempt(string method, string path)
    {
        await using var fleet = await StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Token);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.NotNull(JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]);
        Assert.DoesNotContain(fleet.Servers.SelectMany(s => s.Statistics.Seen), r => r.Path == path);
    }

    [Fact]
    public async Task Pull_OnlyInstanceDies_EndsWithError()
    {
        await using var fleet = await StartAsync(1, bytesPerSecond: 200_000_000);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var pull = await bridge.OpenAsync("/api/pull", new { model = "qwen3:4b" }, Token);
        using var reader = new StreamReader(await pull.Content.ReadAsStreamAsync(Token));
        await reader.ReadLineAsync(Token);
        await reader.ReadLineAsync(Token);
        await fleet[0].KillAsync();
        var last = (await reader.ReadToEndAsync(Token)).TrimEnd('\n').Split('\n')[^1];

        Assert.Contains("incomplete", JsonNode.Parse(last)!["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    private static Task<TestFleet> StartAsync(int count = 3, long bytesPerSecond = 0) => TestFleet.StartAsync(
        count,
        SimulatorOptions.Instant with { ParallelSlots = 4, PullBytesPerSecond = bytesPerSecond, RemoteModels = [TestFleet.Plain("qwen3:4b")] });
}
