using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Headers that the bridge passes on, from a client and from a server that sends too many.</summary>
public sealed class HeaderCrossingTests
{
    private static readonly string[] Foreign =
        ["Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Strict-Transport-Security", "Location", "Alt-Svc", "Server", "X-Powered-By", "Content-Security-Policy", "Via"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http://localhost:3000")]
    [InlineData(null)]
    public async Task Response_ServerSendsMoreHeaders_OnlyOllamasPassedOn(string? origin)
    {
        string[]? seen = null;
        await using var server = await ServerAsync(headers => seen = headers);
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Instances:0:Url", server.Urls.First()), ("Bridge:Instances:0:Name", "much"));
        await bridge.UntilAsync(s => s.Models.Count == 1, "the model list is read");
        foreach (var stream in (bool[])[true, false])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = System.Net.Http.Json.JsonContent.Create(Ask.Chat("x:1b", stream)) };
            foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[
                ("Cookie", "session=1"), ("X-Auth-Request-User", "me"), ("CF-Connecting-IP", "1.2.3.4"), ("X-Secret-Hop", "1"), ("Accept", "application/json"),
                ("User-Agent", "tester/1"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), ("X-Forwarded-For", "1.2.3.4")])
                request.Headers.TryAddWithoutValidation(name, value);
            request.Headers.Connection.Add("X-Request-Id");
            request.Headers.Add("X-Request-Id", "named-by-connection");
            if (origin is not null)
                request.Headers.Add("Origin", origin);

            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Token) + string.Join("\n", bridge.Logs.Lines));
            Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            var names = answer.Headers.Concat(answer.Content.Headers).Select(h => h.Key).ToList();
            Assert.Empty(names.Intersect(Foreign.Except(["Access-Control-Allow-Origin"]), StringComparer.OrdinalIgnoreCase));
            // Exactly one value, the bridge's own: browsers reject two.
            Assert.Equal(origin is null ? [] : [origin], answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var allowed) ? allowed : []);
            Assert.Empty(answer.TrailingHeaders);

            string[] passed = ["Accept", "User-Agent", "traceparent"];
            Assert.All(passed, name => Assert.True(seen!.Contains(name, StringComparer.OrdinalIgnoreCase), name));
            string[] transport = ["Host", "Content-Type", "Content-Length", "Transfer-Encoding", "tracestate", "Accept-Encoding"];
            Assert.Empty(seen!.Except([.. passed, .. transport], StringComparer.OrdinalIgnoreCase));
        }
    }

    [Theory]
    [InlineData("/api/chat", "evil.example", null, "\"error\":\"this Host", "Host: evil.example")]
    [InlineData("/v1/chat/completions", "localhost", "https://evil.example", "\"type\":\"permission_error\"", "Origin: https://evil.example")]
    [InlineData("/v1/messages", "localhost", "null", "\"type\":\"permission_error\"", "Origin: null")]
    public async Task Send_ForeignHostOrOrigin_403WithReasonLoggedAndCounted(string path, string host, string? origin, string words, string logged)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        for (var i = 0; i < 3; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = System.Net.Http.Json.JsonContent.Create(Ask.Chat()) };
            request.Headers.Host = host;
            if (origin is not null)
                request.Headers.TryAddWithoutValidation("Origin", origin);
            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.Contains(words, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        Assert.Single(bridge.Logs.Lines, l => l.StartsWith("Warning 1490 ", StringComparison.Ordinal) && l.TrimEnd().EndsWith(logged.Split(": ")[1], StringComparison.Ordinal));
        var name = $"header=\"{logged.Split(':')[0]}\"";
        await Eventually.BecomesAsync(
            async () => (await bridge.Client.GetStringAsync("/metrics", Token)).Split('\n').Any(l => l.StartsWith("ollama_access_refusals_total", StringComparison.Ordinal) && l.Contains(name, StringComparison.Ordinal)),
            TimeSpan.FromSeconds(20));
    }

    private static async Task<WebApplication> ServerAsync(Action<string[]> seen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = builder.Build();

        server.MapGet("/api/version", () => Results.Text("{\"version\":\"0.32.15\"}", "application/json"));
        server.MapGet("/api/ps", () => Results.Text("{\"models\":[]}", "application/json"));
        server.MapGet("/api/tags", () => Results.Text("{\"models\":[{\"name\":\"x:1b\",\"modified_at\":\"2026-01-01T00:00:00Z\"}]}", "application/json"));
        server.MapPost("/api/chat", async context =>
        {
            seen([.. context.Request.Headers.Select(h => h.Key)]);
            foreach (var name in Foreign)
                context.Response.Headers[name] = name == "Access-Control-Allow-Origin" ? "*" : "a=b";
            var isStream = (await new StreamReader(context.Request.Body).ReadToEndAsync(context.RequestAborted)).Contains("\"stream\":true", StringComparison.Ordinal);
            context.Response.ContentType = isStream ? "application/x-ndjson" : "application/json; charset=utf-8";
            await context.Response.WriteAsync("{\"model\":\"x:1b\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":true,\"done_reason\":\"stop\"}\n", context.RequestAborted);
        });
        await server.StartAsync(Token);
        return server;
    }
}
