using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Models;

/// <summary>Management requests go to a reachable instance that has the required models and blobs.</summary>
public sealed class ManagementFaultTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upload_BlobExists_ServersResponseWithoutUpload(bool expects)
    {
        await using var server = new ScriptedServer(r => r.Method == "HEAD" ? ScriptedReply.Json(200, "") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        for (var i = 0; i < 4; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/blobs/sha256:{new string('a', 64)}") { Content = new ByteArrayContent(new byte[3_000_000]) };
            request.Headers.ExpectContinue = expects;
            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("s-1", answer.Headers.GetValues("X-Bridge-Instance").Single());
        }

        Assert.All(server.Seen, r => Assert.Equal("HEAD", r.Method));
    }

    [Fact]
    public async Task Upload_Twice_CreatedThenOk()
    {
        await using var fleet = await StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var bytes = RandomNumberGenerator.GetBytes(400_000);
        var path = $"/api/blobs/sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";
        foreach (var expected in new[] { HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.OK })
        {
            using var answer = await bridge.Client.PostAsync(path, new ByteArrayContent(bytes), Token);
            Assert.Equal(expected, answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("POST", "/api/pull", """{"model":"qwen3:4b","stream":false}""")]
    [InlineData("POST", "/api/pull", """{"model":"qwen3:4b"}""")]
    [InlineData("POST", "/api/create", """{"model":"mine","from":"deepseek-r1:7b"}""")]
    [InlineData("POST", "/api/copy", """{"source":"deepseek-r1:7b","destination":"mine"}""")]
    [InlineData("DELETE", "/api/delete", """{"model":"deepseek-r1:7b"}""")]
    [InlineData("POST", "/api/show", """{"model":"deepseek-r1:7b"}""")]
    [InlineData("HEAD", "/api/blobs/sha256:1111111111111111111111111111111111111111111111111111111111111111", "")]
    [InlineData("POST", "/api/blobs/sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "test")]
    public async Task Manage_InstanceJustDied_FailsOver(string method, string path, string body)
    {
        await using var fleet = await StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Health:Interval", "00:05:00"));
        await fleet[0].KillAsync();

        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body.Length > 0)
            request.Content = new StringContent(body);
        using var answer = await bridge.Client.SendAsync(request, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Equal(method == "HEAD" ? HttpStatusCode.NotFound : path.Contains("blobs", StringComparison.Ordinal) ? HttpStatusCode.Created : HttpStatusCode.OK, answer.StatusCode);
        Assert.DoesNotContain("error", text, StringComparison.Ordinal);
        if (path == "/api/pull")
            Assert.Contains("\"status\":\"success\"", text, StringComparison.Ordinal);
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.Equal(i.Instance.Name != "sim-1" || path == "/api/show", i.Status == InstanceStatus.Healthy || i.Instance.Name == "sim-1" && path == "/api/show"));
    }

    [Fact]
    public async Task Pull_InstanceDies_ContinuedByAnotherInSameStream()
    {
        await using var fleet = await StartAsync(2, bytesPerSecond: 2_000_000_000);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var pull = await bridge.OpenAsync("/api/pull", new { model = "qwen3:4b" }, Token);
        using var reader = new StreamReader(await pull.Content.ReadAsStreamAsync(Token));
        var lines = new List<string?> { await reader.ReadLineAsync(Token), await reader.ReadLineAsync(Token) };
        await fleet[0].KillAsync();
        lines.AddRange((await reader.ReadToEndAsync(Token)).TrimEnd('\n').Split('\n'));

        Assert.All(lines, l => Assert.Null(JsonNode.Parse(l!)!["error"]));
        Assert.Equal("success", JsonNode.Parse(lines[^1]!)!["status"]!.GetValue<string>());
        Assert.NotNull(fleet.Store.Get("qwen3:4b"));
    }

    [Fact]
    public async Task Create_FromModelOfOneInstance_SentToThatInstance()
    {
        await using var one = await StartAsync(1);
        await using var two = await TestFleet.StartAsync(1, null, "llama3:8b");
        await using var bridge = await TestBridge.StartAsync([one[0], two[0]]);

        using var answer = await bridge.PostAsync("/api/create", new { model = "mine", from = "LLAMA3:8b", stream = false }, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("sim-2", answer.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Push_ModelOfOneInstance_SentToThatInstance()
    {
        await using var one = new ScriptedServer(_ => null) { Models = ["a:latest"] };
        await using var two = new ScriptedServer(_ => null) { Models = ["b:latest"] };
        await using var bridge = await ScriptedServer.BridgeAsync([one, two]);

        using var answer = await bridge.PostAsync("/api/push", new { model = "b" }, Token);

        Assert.Equal("s-2", answer.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Pull_Fails_NotLoggedAsInterrupted()
    {
        await using var server = new ScriptedServer(r => r.Path == "/api/pull" ? ScriptedReply.Lines("""{"status":"pulling manifest"}""", """{"error":"pull model manifest: file does not exist"}""") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);

        using var answer = await bridge.PostAsync("/api/pull", new { model = "nope" }, Token);

        Assert.Equal("""{"status":"pulling manifest"}""" + "\n" + """{"error":"pull model manifest: file does not exist"}""" + "\n", await answer.Content.ReadAsStringAsync(Token));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(" 1201 ", StringComparison.Ordinal));
    }

    private static Task<TestFleet> StartAsync(int count, long bytesPerSecond = 0) => TestFleet.StartAsync(
        count,
        SimulatorOptions.Instant with { ParallelSlots = 4, PullBytesPerSecond = bytesPerSecond, RemoteModels = [TestFleet.Plain("qwen3:4b")] });
}
