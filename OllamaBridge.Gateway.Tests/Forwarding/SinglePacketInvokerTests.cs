using System.Buffers;
using System.Net;
using System.Text;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Tests.Protocols;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class SinglePacketInvokerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SendAsync_SmallBody_OneWriteWithHeaders()
    {
        var connection = new RecordedConnection();

        await AskAsync(connection, """{"model":"m"}"""u8.ToArray());

        var written = Assert.Single(connection.Writes);
        Assert.StartsWith("POST /api/chat HTTP/1.1\r\n", written);
        Assert.Contains("Content-Type: application/json; charset=utf-8\r\n", written);
        Assert.Contains("Content-Length: 13\r\n", written);
        Assert.EndsWith("\r\n\r\n{\"model\":\"m\"}", written);
    }

    [Fact]
    public async Task SendAsync_SmallBodyInPieces_SentComplete()
    {
        var connection = new RecordedConnection();

        await AskAsync(connection, Segments.Of("""{"model":"""u8.ToArray(), "\"m\"}"u8.ToArray()));

        Assert.EndsWith("\r\n\r\n{\"model\":\"m\"}", Assert.Single(connection.Writes));
    }

    [Fact]
    public async Task SendAsync_LargeBody_SentByForwarder()
    {
        var connection = new RecordedConnection();
        var body = new byte[SinglePacketInvoker.Limit + 1];
        Array.Fill(body, (byte)'x');

        await AskAsync(connection, body);

        Assert.True(connection.Writes.Count > 1);
        Assert.EndsWith("\r\n\r\n" + new string('x', body.Length), string.Concat(connection.Writes));
    }

    [Fact]
    public async Task SendAsync_BodyChangedLater_SentBytesUnchanged()
    {
        var body = "before"u8.ToArray();
        var handler = new KeptRequest();
        using var client = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://instance/") { Content = new FlushFirstContent(body) };

        (await SinglePacketInvoker.For(client, new ReadOnlySequence<byte>(body)).SendAsync(request, Token)).Dispose();
        "after!"u8.CopyTo(body);

        Assert.Equal("before", await handler.Request!.Content!.ReadAsStringAsync(Token));
    }

    private static Task AskAsync(RecordedConnection connection, byte[] body) => AskAsync(connection, new ReadOnlySequence<byte>(body));

    private static async Task AskAsync(RecordedConnection connection, ReadOnlySequence<byte> body)
    {
        using var handler = new SocketsHttpHandler { UseProxy = false, ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(connection) };
        using var client = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://instance/api/chat") { Content = new FlushFirstContent(body.ToArray()) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json; charset=utf-8");
        request.Content.Headers.ContentLength = body.Length;
        using var answer = await SinglePacketInvoker.For(client, body).SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    /// <summary>Content that, like the forwarder's, is serialized after the headers were sent.</summary>
    private sealed class FlushFirstContent(byte[] body) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.FlushAsync(Token);
            await stream.WriteAsync(body, Token);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class KeptRequest : HttpMessageHandler
    {
        public HttpRequestMessage? Request { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Request = request;
            return Task.FromResult(new HttpResponseMessage());
        }
    }

    /// <summary>A server that records each write and returns an empty response.</summary>
    private sealed class RecordedConnection : MemoryStream
    {
        private readonly MemoryStream _answer = new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<string> Writes { get; } = [];

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writes.Add(Encoding.ASCII.GetString(buffer.Span));
            _asked.TrySetResult();
            return ValueTask.CompletedTask;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _asked.Task.WaitAsync(cancellationToken);
            return await _answer.ReadAsync(buffer, cancellationToken);
        }
    }
}
