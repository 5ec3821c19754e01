using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Testing.Forwarding;

/// <summary>A request that an instance received.</summary>
internal sealed record ReceivedRequest(string Instance, string Path, string Body, HttpRequestHeaders Headers);

/// <summary>Responds to requests in place of the instances, without a socket. An instance without a script refuses connections.</summary>
internal sealed class ScriptedInstances : HttpMessageHandler
{
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Func<ReceivedRequest, HttpResponseMessage>>> _scripts = new();
    private readonly ConcurrentQueue<ReceivedRequest> _received = new();

    /// <summary>All requests, in order of arrival.</summary>
    public IReadOnlyList<ReceivedRequest> Received => [.. _received];

    /// <summary>The instances that received a request, in order of arrival.</summary>
    public string Order => string.Join(' ', _received.Select(r => r.Instance));

    /// <summary>Sets the responses of an instance, in order. The last one is repeated.</summary>
    public ScriptedInstances Script(string instance, params Func<ReceivedRequest, HttpResponseMessage>[] responses)
    {
        _scripts[instance] = new ConcurrentQueue<Func<ReceivedRequest, HttpResponseMessage>>(responses);
        return this;
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is { } content ? await content.ReadAsStringAsync(cancellationToken) : "";
        var received = new ReceivedRequest(request.RequestUri!.Host, request.RequestUri.AbsolutePath, body, request.Headers);
        _received.Enqueue(received);
        if (!_scripts.TryGetValue(received.Instance, out var script))
            return Responses.Refuse(received);
        Func<ReceivedRequest, HttpResponseMessage>? respond;
        _ = script.Count > 1 ? script.TryDequeue(out respond) : script.TryPeek(out respond);
        return respond!(received);
    }
}

/// <summary>Responses of instances.</summary>
internal static class Responses
{
    public const string ChatLine = """{"model":"a","message":{"role":"assistant","content":"Blue"},"done":false}""" + "\n";
    public const string ChatEnd =
        """{"model":"a","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}""" + "\n";

    /// <summary>A complete stream of a chat.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> Chat { get; } = Stream(ChatLine, ChatLine, ChatEnd);

    /// <summary>The connection is refused.</summary>
    public static HttpResponseMessage Refuse(ReceivedRequest request) => throw new HttpRequestException(
        HttpRequestError.ConnectionError, $"{request.Instance} refuses", new SocketException((int)SocketError.ConnectionRefused));

    /// <summary>The connection breaks before the response.</summary>
    public static HttpResponseMessage Break(ReceivedRequest request) => throw new HttpRequestException(
        HttpRequestError.ResponseEnded, $"{request.Instance} broke", new IOException("reset"));

    /// <summary>A response in one piece.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> Whole(
        string body, int status = 200, string type = "application/json", params (string Name, string Value)[] headers) => _ =>
        {
            var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
            response.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            response.Content.Headers.ContentLength = Encoding.UTF8.GetByteCount(body);
            foreach (var (name, value) in headers)
                response.Headers.TryAddWithoutValidation(name, value);
            return response;
        };

    /// <summary>A complete stream of lines.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> Stream(params string[] pieces) => _ => Streamed(pieces, null, "application/x-ndjson");

    /// <summary>A stream that breaks off after its pieces.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> BrokenStream(params string[] pieces) => _ => Streamed(pieces, new IOException("reset"), "application/x-ndjson");

    /// <summary>Server-sent events; they break off after the pieces if <paramref name="breaks"/>.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> Events(bool breaks, params string[] pieces) =>
        _ => Streamed(pieces, breaks ? new IOException("reset") : null, "text/event-stream");

    /// <summary>A complete stream whose first piece comes when a task ends.</summary>
    public static Func<ReceivedRequest, HttpResponseMessage> StreamAfter(Task ready, params string[] pieces) => _ =>
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new HeldStream(ready, pieces)) };
        response.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        return response;
    };

    private static HttpResponseMessage Streamed(string[] pieces, Exception? breaks, string type)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new PiecesStream(pieces.Select(Encoding.UTF8.GetBytes), breaks)) };
        response.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        return response;
    }

    private sealed class HeldStream(Task ready, string[] pieces) : PiecesStream(pieces.Select(Encoding.UTF8.GetBytes))
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await ready.WaitAsync(cancellationToken);
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
