using System.Text;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Servers that all fail the hostile client's requests in the same way, and a client that sends them.</summary>
internal sealed class HostileWorld : IAsyncDisposable
{
    /// <summary>A word in every hostile request.</summary>
    public const string Poison = "POISON";

    /// <summary>A request of the hostile client, and the response of every server to it.</summary>
    private sealed record Hostile(string Path, Func<string, string> Body, Func<ScriptedRequest, int, ScriptedReply?> Reply);

    private static readonly Dictionary<string, Hostile> All = new()
    {
        ["tool call that can't be parsed"] = Chat(_ => ScriptedReply.Json(500, """{"error":"error parsing tool call: raw='{', err=unexpected end of JSON input"}""")),
        ["error in the stream"] = Stream(_ => ScriptedReply.Lines(
            """{"model":"m","message":{"role":"assistant","content":"I will"},"done":false}""", """{"error":"error parsing tool call"}""")),
        ["error as the stream's first line"] = Stream(_ => ScriptedReply.Lines("""{"error":"an error was encountered while running the model"}""")),
        ["input without a vector"] = new("/api/embed", t => $$"""{"model":"m","input":"{{t}}"}""", (_, _) => ScriptedReply.Json(500, """{"error":"json: unsupported value: NaN"}""")),
        ["bad template"] = new("/api/generate", t => $$"""{"model":"m","prompt":"{{t}}","template":"{{"{{"}} x","stream":false}""", (_, _) => ScriptedReply.Json(500, """{"error":"template: :1: function \"x\" not defined"}""")),
        ["server cuts the connection"] = Chat(_ => ScriptedReply.None),
        ["too many tokens a minute"] = Chat(_ => ScriptedReply.Json(429, """{"error":"rate limit"}""", "Retry-After: 60\r\n")),
        ["busy for this request alone"] = Chat(_ => ScriptedReply.Json(503, """{"error":"server busy"}""", "Retry-After: 60\r\n")),
        ["out of memory"] = Chat(_ => ScriptedReply.Json(500, """{"error":"model requires more system memory (99 GiB) than is available"}""")),
        ["blocked by a firewall in front"] = Chat(_ => ScriptedReply.Of(403, "text/html", "<html>Attention Required!</html>")),
        ["body too large for a proxy in front"] = Chat(_ => ScriptedReply.Of(413, "text/html", "<html>413</html>")),
        ["gateway time-out of a proxy in front"] = Chat(_ => ScriptedReply.Of(504, "text/html", "<html>504</html>")),
        ["login page in front"] = Chat(_ => ScriptedReply.Of(302, "text/html", "", "Location: /login\r\n")),
        ["response that is no HTTP"] = Chat(_ => new ScriptedReply("HTTP/1.1 200 OK\r\nno header\r\n\r\n"u8.ToArray(), Closes: true)),
        ["response that is no JSON"] = Chat(_ => ScriptedReply.Json(200, "{\"model\":")),
        ["empty response"] = Chat(_ => ScriptedReply.Json(200, "")),
        ["stream without its end"] = Stream(_ => ScriptedReply.Lines("""{"model":"m","message":{"role":"assistant","content":"a"},"done":false}""")),
        ["unknown compression"] = Chat(_ => ScriptedReply.Of(200, "application/json", [1, 2, 3], "Content-Encoding: zstd\r\n")),
        ["broken compression"] = Chat(_ => ScriptedReply.Of(200, "application/json", [1, 2, 3], "Content-Encoding: gzip\r\n")),
        ["pull that fails in its stream"] = new("/api/pull", t => $$"""{"model":"{{t.ToLowerInvariant().Replace(' ', '-')}}"}""", (_, _) => ScriptedReply.Lines("""{"status":"pulling manifest"}""", """{"error":"pull model manifest: file does not exist"}""")),
        ["pull that fails at once"] = new("/api/pull", t => $$"""{"model":"{{t}}","stream":false}""", (_, _) => ScriptedReply.Json(500, """{"error":"pull model manifest: file does not exist"}""")),
        ["push that fails"] = new("/api/push", t => $$"""{"model":"{{t}}"}""", (_, _) => ScriptedReply.Lines("""{"error":"max retries exceeded"}""")),
        ["create that fails"] = new("/api/create", t => $$"""{"model":"x","from":"{{t}}","quantize":"q9"}""", (_, _) => ScriptedReply.Lines("""{"error":"unsupported quantization type"}""")),
        ["create whose server cuts the connection"] = new("/api/create", t => $$"""{"model":"x","from":"{{t}}"}""", (_, _) => ScriptedReply.None),
        ["unknown model"] = new("/api/show", t => $$"""{"model":"m","x":"{{t}}"}""", (_, _) => ScriptedReply.Json(404, """{"error":"model 'm' not found"}""")),
        ["option of the wrong type"] = Chat(_ => ScriptedReply.Json(500, """{"error":"option \"num_predict\" must be of type integer"}""")),
        ["fails now here and now there"] = Chat((_, nth) => nth % 2 == 0 ? ScriptedReply.Json(500, """{"error":"bad luck"}""") : null),
        ["not JSON at all"] = new("/api/chat", t => $"{{ {t}", (_, _) => null),
    };

    private Hostile? _now;
    private int _poisoned;

    /// <summary>Creates servers. <c>serve</c> runs before a server responds to a request that contains <c>innocent</c>; null for no action.</summary>
    public HostileWorld(int instances = 3, Func<ScriptedRequest, Task>? serve = null) =>
        Servers = [.. Enumerable.Range(0, instances).Select(_ => new ScriptedServer(Answer)
        {
            Before = r => serve is not null && r.Body.Contains("innocent", StringComparison.Ordinal) ? serve(r) : Task.CompletedTask,
        })];

    public static IReadOnlyCollection<string> Kinds => All.Keys;

    public ScriptedServer[] Servers { get; }

    public async Task HarmAsync(TestBridge bridge, string kind, string suffix)
    {
        var hostile = All[kind];
        Volatile.Write(ref _now, hostile);
        using var content = new StringContent(hostile.Body($"{Poison} {suffix}".Trim()), Encoding.UTF8, "application/json");
        try
        {
            using var answer = await bridge.Client.PostAsync(hostile.Path, content, Token);
            await answer.Content.ReadAsStringAsync(Token);
        }
        catch (HttpRequestException)
        {
            // The response to a hostile request is irrelevant.
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in Servers)
            await server.DisposeAsync();
    }

    private ScriptedReply? Answer(ScriptedRequest request) =>
        IsHostile(request)
            ? Volatile.Read(ref _now)!.Reply(request, Interlocked.Increment(ref _poisoned))
            : null;

    private static bool IsHostile(ScriptedRequest request) =>
        request.Body.Contains(Poison, StringComparison.OrdinalIgnoreCase) && !request.Body.Contains("_debug_render_only", StringComparison.Ordinal);

    private static Hostile Chat(Func<ScriptedRequest, ScriptedReply?> reply) => Chat((r, _) => reply(r));

    private static Hostile Chat(Func<ScriptedRequest, int, ScriptedReply?> reply) => new(
        "/api/chat", t => $$"""{"model":"m","stream":false,"messages":[{"role":"user","content":"{{t}}"}]}""", reply);

    private static Hostile Stream(Func<ScriptedRequest, ScriptedReply?> reply) => new(
        "/api/chat", t => $$"""{"model":"m","tools":[{"type":"function"}],"messages":[{"role":"user","content":"{{t}}"}]}""", (r, _) => reply(r));

    private static CancellationToken Token => TestContext.Current.CancellationToken;
}
