using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>Each request has an id in its response, the log and the ledger.</summary>
public sealed partial class RequestIdTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_EveryProtocol_IdInResponseLogAndLedger()
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:team:Keys:0", verifier.ToString()), ("Bridge:Tenants:team:Scopes", "Inference, Admin"));
        bridge.Client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        var ids = new List<string>();
        foreach (var (path, body) in ((string, object)[])[
            ("/api/chat", Ask.Chat(stream: true)), ("/api/chat", Ask.Chat(stream: false)), ("/v1/chat/completions", Ask.OpenAI(stream: true)),
            ("/v1/messages", Ask.Anthropic(stream: true)), ("/v1/messages", Ask.Anthropic("unheard-of"))])
        {
            using var answer = await bridge.PostAsync(path, body, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            ids.Add(answer.Headers.GetValues("X-Request-Id").Single());
            Assert.Matches(GeneratedId(), ids[^1]);
            Assert.Equal(path == "/v1/messages" ? ids[^1] : null, answer.Headers.TryGetValues("request-id", out var anthropic) ? anthropic.Single() : null);
            if (answer.StatusCode == HttpStatusCode.NotFound)
                Assert.Equal(ids[^1], JsonNode.Parse(text)!["request_id"]!.GetValue<string>());
        }

        Assert.Equal(ids.Count, ids.Distinct().Count());
        await Eventually.BecomesAsync(
            () => ids.TrueForAll(id => bridge.Logs.Lines.Any(l => l.StartsWith("Information 1302 ", StringComparison.Ordinal)
                && l.Contains($"request {id}, client 127.0.0.1, key {verifier.Id}", StringComparison.Ordinal))),
            TimeSpan.FromSeconds(10));
        var records = (await bridge.GetJsonAsync("/bridge/ledger")).AsArray();
        Assert.Equal(ids.Order(), records.Select(r => r!["requestId"]!.GetValue<string>()).Order());
        Assert.All(records, r => Assert.Equal(verifier.Id, r!["key"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("/api/tags")]
    [InlineData("/nowhere")]
    [InlineData("/bridge/instances")]
    [InlineData("/health")]
    public async Task Get_OtherRoutes_IdInResponse(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.Client.GetAsync(path, Token);
        Assert.Matches(GeneratedId(), answer.Headers.GetValues("X-Request-Id").Single());
    }

    [Theory]
    [InlineData("0a1b-2C.3_4:5=6+7/8@9", null, true)]
    [InlineData("0a1b-2C.3_4:5=6+7/8@9", "192.0.2.1", false)]
    [InlineData("has blank", null, false)]
    [InlineData("<script>", null, false)]
    [InlineData("ключ", null, false)]
    public async Task Send_RequestIdHeader_KeptIfValidAndLocal(string sent, string? from, bool isKept)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
        Assert.True(request.Headers.TryAddWithoutValidation("X-Request-Id", sent.All(char.IsAscii) ? sent : Uri.EscapeDataString(sent)));
        if (from is not null)
            request.Headers.Add("Test-Remote-Address", from);
        using var answer = await bridge.Client.SendAsync(request, Token);
        var id = answer.Headers.GetValues("X-Request-Id").Single();
        Assert.Equal(isKept, id == sent);
        if (!isKept)
            Assert.Matches(GeneratedId(), id);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public void IsValid_Length_Bounded(int length, bool expected) => Assert.Equal(expected, RequestIds.IsValid(new string('a', length)));

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\rb")]
    [InlineData("a\tb")]
    [InlineData("a;b")]
    [InlineData("a,b")]
    [InlineData("a\"b")]
    [InlineData("é")]
    public void IsValid_UnsafeCharacters_False(string id) => Assert.False(RequestIds.IsValid(id));

    [GeneratedRegex("^req_[0-9a-f]{24}$")]
    private static partial Regex GeneratedId();
}
