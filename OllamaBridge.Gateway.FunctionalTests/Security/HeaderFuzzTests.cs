using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Random headers in requests and responses: each request gets a response, only known headers pass, and the instance stays in use.</summary>
public sealed class HeaderFuzzTests
{
    private const int Requests = 300;
    private const string Ok = "HTTP/1.1 200 ";

    private static readonly string[] Crossing =
        ["Accept", "User-Agent", "Expect", "Transfer-Encoding", "traceparent", "tracestate", "baggage", "X-Request-Id", "OpenAI-Beta", "Anthropic-Version", "Anthropic-Beta", "Content-Type", "Content-Length", "Host", "Accept-Encoding"];

    private static readonly string[] Names =
        [.. Crossing.Except(["Content-Length", "Transfer-Encoding", "Expect", "Host"]), "Cookie", "X-Auth-User", "CF-Ray", "Connection", "Origin", "Referer", "Authorization", "X-Api-Key", "Range", "If-Match", "Te", "Trailer", "Upgrade", "Via", "X-é", "a b", ""];

    private static readonly Gen<(string Name, byte[] Value)> Header =
        from name in Gen.OneOf(Gen.Elements(Names), Gen.Elements("x-", "X-Bridge-").SelectMany(p => Gen.Elements("a", "deadline", "priority", "continuation", "1").Select(s => p + s)))
        from value in Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b))
        select (name, value);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_AnyHeaders_OnlyKnownOnesPassedOn()
    {
        var seen = new ConcurrentQueue<string[]>();
        await using var server = await ServerAsync(context => seen.Enqueue([.. context.Request.Headers.Keys]));
        await using var bridge = await StartAsync(server);
        var body = $"{{\"model\":\"x:1b\",\"stream\":false,\"messages\":[]}}";
        var answered = 0;

        foreach (var headers in Gen.Sample(Gen.Resize(Gen.ListOf(Header).Select(l => l.Take(6).ToList()), 12), Requests))
        {
            var text = new StringBuilder($"POST /api/chat HTTP/1.1\r\nHost: {bridge.Url.Authority}\r\nConnection: close\r\nContent-Type: application/json\r\n");
            foreach (var (name, value) in headers)
                text.Append(name).Append(": ").Append(Encoding.Latin1.GetString(value).Replace("\r\n\r\n", "", StringComparison.Ordinal)).Append("\r\n");
            text.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n\r\n{body}");

            var response = await RawHttp.SendAsync(bridge.Url, text.ToString());
            // 403: a foreign Origin. 400: the field is malformed (RFC 9110, 5.5). Other errors would be failures of the bridge or of the instance.
            Assert.Matches("^HTTP/1.1 (200|400|401|403|408|431) ", response);
            answered += response.StartsWith(Ok, StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.InRange(answered, Requests / 20, Requests - 1);
        Assert.Empty(seen.SelectMany(h => h).Distinct(StringComparer.OrdinalIgnoreCase).Except(Crossing, StringComparer.OrdinalIgnoreCase));
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.True(i.IsUsable));
    }

    [Fact]
    public async Task Response_AnyHeaders_OnlyKnownOnesPassedOn()
    {
        var next = Array.Empty<(string Name, byte[] Value)>();
        await using var server = await ServerAsync(context =>
        {
            foreach (var (name, value) in next)
                if (name.Length > 0 && !name.Contains(' ', StringComparison.Ordinal) && name.All(char.IsAscii))
                    context.Response.Headers.Append(name, new string([.. value.Where(b => b is >= 32 and not 127).Select(b => (char)b)]));
        });
        await using var bridge = await StartAsync(server);
        string[] allowed = ["Content-Type", "Content-Length", "Transfer-Encoding", "Date", "Connection", "Cache-Control", "Allow", "Retry-After", "X-Request-Id"];

        foreach (var headers in Gen.Sample(Gen.Resize(Gen.ListOf(Header).Select(l => l.Take(6).ToArray()), 12), Requests))
        {
            next = [.. headers.Where(h => !h.Name.Equals("Connection", StringComparison.OrdinalIgnoreCase) && !h.Name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))];
            using var response = await bridge.PostAsync("/api/chat", Ask.Chat("x:1b", stream: false), Token);
            Assert.True(response.IsSuccessStatusCode, string.Join(", ", next.Select(h => $"{h.Name}={Convert.ToHexString(h.Value)}")));
            var foreign = response.Headers.Concat(response.Content.Headers).Select(h => h.Key).Except(allowed, StringComparer.OrdinalIgnoreCase);
            Assert.All(foreign, name => Assert.StartsWith(HeaderHygiene.InternalPrefix, name, StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public void Encode_AnyText_RoundTrips() => Prop.ForAll(ArbMap.Default.ArbFor<NonNull<string>>(), text =>
    {
        var encoded = HeaderText.Encode(text.Get);
        using var request = new HttpRequestMessage();
        request.Headers.Add("X", encoded);
        // A lone surrogate can't be encoded in UTF-8.
        var valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Get));
        return encoded.All(c => c is >= ' ' and <= '~') && encoded.Trim() == encoded && Uri.UnescapeDataString(encoded) == valid;
    }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(2000));

    [Fact]
    public void Clean_AnyConnectionHeader_RemovesNamedAndUnknownFields() => Prop.ForAll(Gen.ArrayOf(Gen.Elements(Names)).ToArbitrary(), named =>
    {
        using var request = new HttpRequestMessage();
        foreach (var name in Names)
            request.Headers.TryAddWithoutValidation(name, "1");
        HeaderHygiene.Clean(request.Headers, passAuthorization: false, string.Join(" , ", named));
        return request.Headers.NonValidated.All(h => Crossing.Contains(h.Key, StringComparer.OrdinalIgnoreCase) && !named.Contains(h.Key, StringComparer.OrdinalIgnoreCase));
    }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    private static async Task<TestBridge> StartAsync(WebApplication server)
    {
        var bridge = await TestBridge.StartAsync([], ("Bridge:Instances:0:Url", server.Urls.First()), ("Bridge:Instances:0:Name", "fuzzed"));
        await bridge.UntilAsync(s => s.Models.Count == 1, "the model list is read");
        return bridge;
    }

    /// <summary>An Ollama server with one model.</summary>
    /// <param name="onChat">Called for each chat request before its response starts.</param>
    private static async Task<WebApplication> ServerAsync(Action<HttpContext> onChat)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(k => k.ResponseHeaderEncodingSelector = _ => Encoding.Latin1);
        var app = builder.Build();
        app.MapGet("/api/version", () => new { version = "0.32.15" });
        app.MapGet("/api/tags", () => new { models = new[] { new { name = "x:1b", model = "x:1b", digest = new string('a', 64), size = 1 } } });
        app.MapGet("/api/ps", () => new { models = Array.Empty<object>() });
        app.MapPost("/api/chat", context =>
        {
            onChat(context);
            return context.Response.WriteAsJsonAsync(new { model = "x:1b", message = new { role = "assistant", content = "Hi" }, done = true, done_reason = "stop" }, context.RequestAborted);
        });
        await app.StartAsync(Token);
        return app;
    }
}
