using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Servers with unusual media types and framing of streams, through a whole gateway.</summary>
public sealed class OddServerTests
{
    private const string Line = """{"model":"m:latest","message":{"role":"assistant","content":"one"},"done":false}""" + "\n";
    private const string Last = """{"model":"m:latest","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}""" + "\n";
    private const string Event = "data:{\"id\":\"c\",\"model\":\"m:latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"},\"finish_reason\":\"\"}]}\r\n\r\n";
    private const string End = "data:{\"id\":\"c\",\"model\":\"m:latest\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata:[DONE]\r\n\r\n";
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string, string> Streams()
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var label in (string[])["application/json", "application/json; charset=utf-8", "text/plain", "application/octet-stream", "text/event-stream", "application/x-ndjson", ""])
        {
            data.Add("/api/chat", label, Line, Last);
            data.Add("/v1/chat/completions", label, Event, End);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Stream_AnyContentType_MessagesUnchangedAndUnbuffered(string path, string label, string first, string rest)
    {
        var seen = new TaskCompletionSource();
        await using var server = await StartServerAsync(path, async response =>
        {
            response.ContentType = label.Length == 0 ? null : label;
            await response.WriteAsync(first, Token);
            await response.Body.FlushAsync(Token);
            // The rest is sent only after the client has read the first message.
            await seen.Task.WaitAsync(Soon, Token);
            await response.WriteAsync(rest, Token);
        });
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Instances:0:Url", server.Urls.Single()));

        using var answer = await bridge.OpenAsync(path, new { model = "m", stream = true, messages = new[] { new { role = "user", content = "hi" } } }, Token);
        await using var body = await answer.Content.ReadAsStreamAsync(Token);
        var begun = new byte[first.Length];
        await body.ReadExactlyAsync(begun, Token).AsTask().WaitAsync(Soon, Token);
        Assert.Equal(first, Encoding.UTF8.GetString(begun));
        seen.SetResult();
        using var reader = new StreamReader(body);
        Assert.Equal(rest, await reader.ReadToEndAsync(Token));
        Assert.Equal("succeeded", (string?)(await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!["outcome"]);
    }

    [Theory]
    [InlineData("/api/chat", Line)]
    [InlineData("/v1/chat/completions", Event)]
    public async Task Stream_CutWithFinishReasonInEveryMessage_Error(string path, string message)
    {
        await using var server = await StartServerAsync(path, async response =>
        {
            await response.WriteAsync(message.Replace("\"done\":false", "\"done\":false,\"done_reason\":\"stop\"", StringComparison.Ordinal), Token);
            await response.Body.FlushAsync(Token);
            response.HttpContext.Abort();
        });
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Instances:0:Url", server.Urls.Single()));

        using var answer = await bridge.PostAsync(path, new { model = "m", stream = true, messages = new[] { new { role = "user", content = "hi" } } }, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Contains("\"error\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
        Assert.NotEqual("succeeded", (string?)(await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!["outcome"]);
    }

    [Fact]
    public async Task Instances_ServerWithUniformResponses_UnhealthyWithReason()
    {
        await using var server = await StartServerAsync("/api/chat", r => r.WriteAsync("", Token), everything: """{"error":"Unexpected endpoint or method."}""");
        await using var bridge = await TestBridge.StartAsync([], ("Bridge:Instances:0:Url", server.Urls.Single()));
        var instance = (await bridge.GetJsonAsync("/bridge/instances"))[0]!;
        Assert.NotEqual("healthy", (string?)instance["state"]);
        Assert.Contains("OpenAI", (string?)instance["error"], StringComparison.Ordinal);
    }

    private static async Task<WebApplication> StartServerAsync(string path, Func<HttpResponse, Task> answer, string? everything = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var application = builder.Build();
        application.Run(context => everything is not null ? context.Response.WriteAsync(everything, Token) : context.Request.Path.Value switch
        {
            "/api/version" => context.Response.WriteAsync("""{"version":"0.1.20"}""", Token),
            "/api/tags" => context.Response.WriteAsync("""{"models":[{"name":"m:latest","modified_at":"2026-01-01T00:00:00Z"}]}""", Token),
            "/api/ps" => context.Response.WriteAsync("""{"models":[{"name":"m:latest"}]}""", Token),
            var asked when asked == path => answer(context.Response),
            _ => NotFoundAsync(context),
        });
        await application.StartAsync(Token);
        return application;
    }

    private static Task NotFoundAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return context.Response.WriteAsync("404 page not found", Token);
    }
}
