using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Instances that are added and removed through the operators' API.</summary>
public sealed class MemberTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Post_NewInstance_201AndServesRequests()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync([]);

        using var answer = await bridge.PostAsync("/bridge/instances", new { name = "mine", url = fleet[0].Url, slots = 3 }, Token);
        var report = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal("/bridge/instances/mine", answer.Headers.Location!.OriginalString);
        Assert.Equal(("mine", 3, false), (report["name"]!.GetValue<string>(), report["slots"]!.GetValue<int>(), report["configured"]!.GetValue<bool>()));
        Assert.Equal("healthy", report["state"]!.GetValue<string>());
        Assert.Equal("mine", chat.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Fact]
    public async Task Post_ExistingInstance_200AndUpdated()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Slots", "7"));
        using var first = await bridge.PostAsync("/bridge/instances", new { url = fleet[0].Url }, Token);
        using var second = await bridge.PostAsync("/bridge/instances", new { url = fleet[0].Url, slots = 2 }, Token);

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (first.StatusCode, second.StatusCode));
        Assert.Equal(7, JsonNode.Parse(await first.Content.ReadAsStringAsync(Token))!["slots"]!.GetValue<int>());
        var instance = (await bridge.GetJsonAsync("/bridge/instances")).AsArray().Single()!;
        Assert.Equal((fleet[0].Url.Authority, 2), (instance["name"]!.GetValue<string>(), instance["slots"]!.GetValue<int>()));
    }

    [Theory]
    [InlineData("""{"name":"a b","url":"ftp://nowhere","slots":0,"maxLoadedModels":-1}""", "name", "url", "slots", "maxLoadedModels")]
    [InlineData("""{"name":"x"}""", "url")]
    [InlineData("""{"url":"http://127.0.0.1:1","slots":1025}""", "slots")]
    [InlineData("""{"url":"http://127.0.0.1:1","slots":"many"}""", "$.slots")]
    [InlineData("""{"url":"http://127.0.0.1:1","slot":2}""", "$.slot")]
    [InlineData("""{"url":"http://user:secret@127.0.0.1:1"}""", "url")]
    [InlineData("[]", "$")]
    [InlineData("", "$")]
    [InlineData("null", "url")]
    public async Task Post_Errors_400ListsAll(string body, params string[] fields)
    {
        await using var bridge = await TestBridge.StartAsync([]);

        using var answer = await bridge.Client.PostAsync("/bridge/instances", new StringContent(body), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        var detail = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["detail"]!.GetValue<string>();
        Assert.All(fields, f => Assert.Contains(f, detail, StringComparison.Ordinal));
        Assert.DoesNotContain("Bridge:", detail, StringComparison.Ordinal);
        Assert.Empty((await bridge.GetJsonAsync("/bridge/instances")).AsArray());
    }

    [Fact]
    public async Task PostAndDelete_ConfiguredInstance_409()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var name = await bridge.PostAsync("/bridge/instances", new { name = "SIM-1", url = "http://127.0.0.1:1" }, Token);
        using var address = await bridge.PostAsync("/bridge/instances", new { name = "other", url = fleet[0].Url }, Token);
        using var delete = await bridge.Client.DeleteAsync("/bridge/instances/sim-1", Token);
        using var unknown = await bridge.Client.DeleteAsync("/bridge/instances/nobody", Token);

        Assert.All(new[] { name, address, delete }, a => Assert.Equal(HttpStatusCode.Conflict, a.StatusCode));
        Assert.Contains("/drain", await delete.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task PostAndDelete_RemoteClient_403()
    {
        await using var bridge = await TestBridge.StartAsync([]);
        foreach (var method in new[] { HttpMethod.Post, HttpMethod.Delete })
        {
            using var request = new HttpRequestMessage(method, method == HttpMethod.Post ? "/bridge/instances" : "/bridge/instances/x")
            {
                Content = JsonContent.Create(new { url = "http://127.0.0.1:1" }),
                Headers = { { "Test-Remote-Address", "10.0.0.9" } },
            };
            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Delete_WithRunningRequest_RequestCompletesWithoutNewOnes()
    {
        await using var fleet = await TestFleet.StartAsync(
            2, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(20) });
        await using var bridge = await TestBridge.StartAsync([fleet[0]]);
        using var added = await bridge.PostAsync("/bridge/instances", new { name = "sim-2", url = fleet[1].Url, slots = 4 }, Token);
        using var drained = await bridge.Client.PostAsync("/bridge/instances/sim-1/drain", null, Token);
        using var under = await bridge.OpenAsync("/api/chat", Ask.Chat(stream: true, tokens: 50), Token);
        Assert.Equal("sim-2", under.Headers.GetValues("X-Bridge-Instance").Single());

        using var undrained = await bridge.Client.PostAsync("/bridge/instances/sim-1/undrain", null, Token);
        using var removed = await bridge.Client.DeleteAsync("/bridge/instances/sim-2", Token);
        using var next = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        Assert.Equal("sim-1", next.Headers.GetValues("X-Bridge-Instance").Single());
        Assert.Contains("\"done\":true", await under.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Single((await bridge.GetJsonAsync("/bridge/instances")).AsArray());
    }

    [Fact]
    public async Task Post_AtOneGateway_AppliedByAllGateways()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(1);
        (string, string)[] settings =
            [("ConnectionStrings:state", $"127.0.0.1:{state.Options.Port}"), ("Bridge:State:ProbeInterval", "00:00:00.1")];
        await using var one = await TestBridge.StartAsync([], settings);
        await using var other = await TestBridge.StartAsync([], settings);

        using var added = await one.PostAsync("/bridge/instances", new { name = "mine", url = fleet[0].Url, slots = 2 }, Token);

        Assert.Equal(HttpStatusCode.Created, added.StatusCode);
        await other.UntilAsync(s => s.Instances.Any(i => i.IsUsable), "the other gateway uses it");
        await using var late = await TestBridge.StartAsync([], settings);
        await late.UntilAsync(s => s.Instances.Any(i => i.IsUsable), "a gateway that starts later uses it");
        foreach (var bridge in new[] { one, other, late })
        {
            using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
            Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
        }

        using var removed = await late.Client.DeleteAsync("/bridge/instances/mine", Token);
        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        await one.UntilAsync(s => s.Instances.IsEmpty, "the first gateway uses it no longer");
    }
}
