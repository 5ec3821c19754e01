using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A request as a scripted server received it: the head as Latin-1, the body as UTF-8, and the number of earlier requests with a body on the
/// connection.</summary>
internal sealed record ScriptedRequest(string Method, string Path, string Headers, string Body, int OnConnection);

/// <summary>The exact bytes of a scripted server's response, and whether the server closes the connection after it.</summary>
internal sealed record ScriptedReply(byte[] Bytes, bool Closes = false)
{
    public static ScriptedReply None { get; } = new([], Closes: true);

    public static ScriptedReply Json(int status, string body, string headers = "") => Of(status, "application/json; charset=utf-8", body, headers);

    public static ScriptedReply Of(int status, string type, string body, string headers = "") => Of(status, type, Encoding.UTF8.GetBytes(body), headers);

    public static ScriptedReply Of(int status, string type, byte[] body, string headers = "") => new(
        [.. Encoding.Latin1.GetBytes($"HTTP/1.1 {status} X\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n{headers}\r\n"), .. body]);

    public static ScriptedReply Lines(params string[] lines) => Of(200, "application/x-ndjson", string.Concat(lines.Select(l => l + "\n")));
}

/// <summary>An Ollama server whose response bytes a test provides. Requests that the script does not handle get an ordinary response.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<ScriptedRequest> _seen = new();
    private readonly ConcurrentDictionary<Socket, bool> _open = new();
    private readonly Func<ScriptedRequest, ScriptedReply?> _script;
    private readonly Task _accepting;

    public ScriptedServer(Func<ScriptedRequest, ScriptedReply?> script)
    {
        _script = script;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Models that it lists and reports as loaded.</summary>
    public string[] Models { get; init; } = ["m:latest"];

    /// <summary>The memory of an entry of <c>/api/ps</c>, in bytes.</summary>
    public long Size { get; init; } = 1000;

    /// <summary>Changes every response, including responses to probes.</summary>
    public Func<ScriptedReply, ScriptedReply> Transform { get; init; } = static reply => reply;

    /// <summary>Runs before each response; lets a test advance time there.</summary>
    public Func<ScriptedRequest, Task> Before { get; init; } = static _ => Task.CompletedTask;

    /// <summary>Requests other than the bridge's own probes.</summary>
    public IReadOnlyCollection<ScriptedRequest> Seen => _seen;

    public int Count(string words) => _seen.Count(r => r.Body.Contains(words, StringComparison.Ordinal));

    /// <summary>Starts a bridge in front of servers named <c>s-1</c>, <c>s-2</c>, …</summary>
    public static Task<TestBridge> BridgeAsync(IReadOnlyList<ScriptedServer> servers, params (string Key, string Value)[] settings) =>
        BridgeAsync(servers, TimeProvider.System, settings);

    public static Task<TestBridge> BridgeAsync(IReadOnlyList<ScriptedServer> servers, TimeProvider time, params (string Key, string Value)[] settings) => TestBridge.StartAsync(
        [], time, [.. servers.SelectMany((s, i) => new[] { ($"Bridge:Instances:{i}:Url", s.Url.ToString()), ($"Bridge:Instances:{i}:Name", $"s-{i + 1}"), ($"Bridge:Instances:{i}:Slots", "4") }), .. settings]);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        foreach (var (socket, _) in _open)
            socket.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var socket = await _listener.AcceptSocketAsync(_stop.Token);
            _open[socket] = true;
            _ = ServeAsync(socket);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            var bodies = 0;
            while (await ReadAsync(stream, bodies) is { } request)
            {
                var isLook = request.Method == "GET";
                if (!isLook)
                    _seen.Enqueue(request);
                var reply = Transform(_script(request) ?? Default(request));
                bodies += isLook ? 0 : 1;
                await Before(request);
                await stream.WriteAsync(reply.Bytes, _stop.Token);
                if (reply.Closes)
                    return;
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The peer closed the connection, or the test has ended.
        }
        finally
        {
            _open.TryRemove(socket, out _);
        }
    }

    private ScriptedReply Default(ScriptedRequest request) => request.Path switch
    {
        "/api/version" => ScriptedReply.Json(200, """{"version":"0.32.15"}"""),
        "/api/tags" => ScriptedReply.Json(200, $$"""{"models":[{{string.Join(',', Models.Select(m => $$"""{"name":"{{m}}","model":"{{m}}","size":1000,"digest":"{{new string('0', 64)}}","modified_at":"2026-11-23T21:10:21Z"}"""))}}]}"""),
        "/api/ps" => ScriptedReply.Json(200, $$"""{"models":[{{string.Join(',', Models.Select(m => $$"""{"name":"{{m}}","model":"{{m}}","size":{{Size}},"size_vram":{{Size}},"digest":"{{new string('0', 64)}}","expires_at":"2099-01-01T00:00:00Z"}"""))}}]}"""),
        "/api/chat" => Answer(request, "\"message\":{\"role\":\"assistant\",\"content\":\"Yes.\"}"),
        "/api/generate" => Answer(request, "\"response\":\"Yes.\""),
        "/api/embed" => ScriptedReply.Json(200, """{"model":"m","embeddings":[[0.1,0.2]],"prompt_eval_count":2}"""),
        "/api/show" => ScriptedReply.Json(200, """{"details":{},"model_info":{"general.architecture":"llama","llama.block_count":32}}"""),
        "/api/pull" or "/api/create" or "/api/push" => ScriptedReply.Lines("""{"status":"pulling manifest"}""", """{"status":"success"}"""),
        _ when request.Path.StartsWith("/api/blobs/", StringComparison.Ordinal) =>
            request.Method == "HEAD" ? ScriptedReply.Json(404, "") : ScriptedReply.Of(201, "text/plain", ""),
        _ => ScriptedReply.Of(404, "text/plain", "404 page not found"),
    };

    private static ScriptedReply Answer(ScriptedRequest request, string content)
    {
        var end = "\"done_reason\":\"stop\",\"prompt_eval_count\":2,\"eval_count\":2,\"eval_duration\":5";
        return request.Body.Contains("\"stream\":false", StringComparison.Ordinal)
            ? ScriptedReply.Json(200, $$"""{"model":"m",{{content}},"done":true,{{end}}}""")
            : ScriptedReply.Lines($$"""{"model":"m",{{content}},"done":false}""", $$"""{"model":"m",{{content.Replace("Yes.", "", StringComparison.Ordinal)}},"done":true,{{end}}}""");
    }

    private async Task<ScriptedRequest?> ReadAsync(NetworkStream stream, int bodies)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!head.TakeLast(4).SequenceEqual("\r\n\r\n"u8.ToArray()))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
                return null;
            head.Add(one[0]);
        }

        var text = Encoding.Latin1.GetString([.. head]);
        if (text.Contains("Expect: 100-continue", StringComparison.OrdinalIgnoreCase))
            await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), _stop.Token);
        var body = new MemoryStream();
        if (text.Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
            while (true)
            {
                var line = "";
                while (!line.EndsWith("\r\n", StringComparison.Ordinal))
                {
                    await stream.ReadExactlyAsync(one, _stop.Token);
                    line += (char)one[0];
                }

                var size = int.Parse(line.Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                var chunk = new byte[size + 2];
                await stream.ReadExactlyAsync(chunk, _stop.Token);
                if (size == 0)
                    break;
                body.Write(chunk, 0, size);
            }
        else
        {
            var length = text.Split("\r\n").FirstOrDefault(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
            var bytes = new byte[length is null ? 0 : int.Parse(length.Split(':')[1], CultureInfo.InvariantCulture)];
            await stream.ReadExactlyAsync(bytes, _stop.Token);
            body.Write(bytes);
        }

        var first = text[..text.IndexOf('\r', StringComparison.Ordinal)].Split(' ');
        return new ScriptedRequest(first[0], first[1], text, Encoding.UTF8.GetString(body.ToArray()), bodies);
    }
}
